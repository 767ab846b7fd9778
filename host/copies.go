package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// errNoCopy is a module of which the cache has no copy, or none that is whole.
var errNoCopy = errors.New("the cache has no copy of the module")

// keep writes a module, as it is compiled, beside its code, if there is one who unloads: to load it
// again wazero needs both, and so nobody need be asked.
func (h *Host) keep(sum [sha256.Size]byte, rewritten []byte) {
	if h.config.Module == nil || h.cache.dir == "" {
		return
	}
	if err := h.cache.addCopy(sum, rewritten); err != nil {
		h.config.Logger.Warn("keep module", "error", err)
	}
	h.prune(h.config.CacheBytes)
}

func (k *cache) addCopy(sum [sha256.Size]byte, rewritten []byte) error {
	path := k.copyPath(sum)
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(rewritten)) {
		touch(path)
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, rewritten, 0o600)
}

// copyOf is the copy with the sum.
func (k *cache) copyOf(sum [sha256.Size]byte) ([]byte, error) {
	if k.dir == "" {
		return nil, errNoCopy
	}
	path := k.copyPath(sum)
	rewritten, err := os.ReadFile(path)
	if err != nil {
		return nil, errNoCopy
	}
	if sha256.Sum256(rewritten) != sum {
		os.Remove(path) // it may be gone
		return nil, errNoCopy
	}
	touch(path)
	return rewritten, nil
}

func (k *cache) copyPath(sum [sha256.Size]byte) string {
	return filepath.Join(k.dir, copiesDir, hex.EncodeToString(sum[:]))
}

// touch makes a file one of those that are removed last. It may be gone.
func touch(path string) {
	now := time.Now()
	os.Chtimes(path, now, now)
}
