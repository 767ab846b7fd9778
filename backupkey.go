package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/millrace/millrace/broker/backup"
	"github.com/millrace/millrace/web"
)

// keyFlags name the key of a backup's secrets.
type keyFlags struct {
	KeyFile string `placeholder:"FILE" help:"Key that secrets are sealed with: a private file of 32 random bytes or more."`
}

// key reads the key file, nil if there is none.
func (f keyFlags) key() (*backup.Key, error) {
	if f.KeyFile == "" {
		return nil, nil
	}
	info, err := os.Stat(f.KeyFile)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): make it private with chmod 600", f.KeyFile, mode)
	}
	if info.Size() > 64<<10 {
		return nil, fmt.Errorf("%s is too big for a key", f.KeyFile)
	}
	b, err := os.ReadFile(f.KeyFile)
	if err != nil {
		return nil, err
	}
	key, err := backup.NewKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w, as head -c 32 /dev/urandom makes them", f.KeyFile, err)
	}
	return key, nil
}

func keyHeader(key *backup.Key) map[string]string {
	if key == nil {
		return nil
	}
	return map[string]string{web.BackupKeyHeader: key.Text()}
}
