package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// errLocked is returned by tryLock for a file that another process holds.
var errLocked = errors.New("held by another process")

// lockFolder makes dir if need be, readable by nobody else, and takes the lock on it, so that two
// servers never write the same data. The lock ends with unlock or with the process, however that
// ends: the file that is left behind means nothing.
func lockFolder(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	f, err := tryLock(filepath.Join(dir, "lock"))
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("the data folder %s is in use by another millrace: stop that one, or choose another folder with --data", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	return f.Close, nil
}
