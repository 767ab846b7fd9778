package host

import "context"

// slots has room for so many pieces of work at a time.
type slots chan struct{}

// take waits for a slot until ctx ends. giveBack makes room again.
func (s slots) take(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s slots) giveBack() { <-s }
