package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// adminTokenFile is the file in the data folder that holds the operator's token.
const adminTokenFile = "admin.token"

const adminTokenPrefix = "mr_admin_"

// ensureAdminToken returns the operator's token that is kept in dir, which it makes at the first
// start; made tells that it did. The caller holds the lock on dir.
func ensureAdminToken(dir string) (token string, made bool, err error) {
	path := filepath.Join(dir, adminTokenFile)
	token, err = readAdminToken(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, false, err
	}
	var secret [32]byte
	rand.Read(secret[:]) // never fails: it ends the program instead
	token = adminTokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
	if err := writeSynced(path, token+"\n"); err != nil {
		return "", false, fmt.Errorf("keep the operator's token: %w", err)
	}
	return token, true, nil
}

// keepAdminToken puts the token of a cluster where commands on this machine look for one.
func keepAdminToken(dir, token string) error {
	path := filepath.Join(dir, adminTokenFile)
	if kept, err := readAdminToken(path); err == nil && kept == token {
		return nil
	}
	if err := writeSynced(path, token+"\n"); err != nil {
		return fmt.Errorf("keep the operator's token: %w", err)
	}
	return nil
}

// readAdminToken reads a token file. One that others can read is refused, as is one that holds
// something else than a token.
func readAdminToken(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return "", fmt.Errorf("%s can be read by others (mode %04o): make it private with chmod 600", path, mode)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if !strings.HasPrefix(token, adminTokenPrefix) || len(token) < len(adminTokenPrefix)+32 {
		return "", fmt.Errorf("%s holds no operator's token: restore it, or remove it to have a new one made", path)
	}
	return token, nil
}

// writeSynced writes a private file that is there whole or not at all, also after a power cut.
func writeSynced(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is there any more if all went well
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
