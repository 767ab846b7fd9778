//go:build !linux

package bench

func newReader(t *target, c *crew) (reader, error) { return newConnReader(t, c), nil }

// checkFiles leaves it to the system to refuse.
func checkFiles(int) error { return nil }
