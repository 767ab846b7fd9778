//go:build unix

package broker

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// lockFolder keeps a second process from using dir. The lock ends with the process, however that ends.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, errors.New("in use by another process")
	}
	return func() { f.Close() }, nil
}
