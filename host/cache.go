package host

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
)

// cache holds compiled modules: wazero's own cache, and an index that tells which modules are in
// it, since wazero can be asked for that only by compiling.
type cache struct {
	wazero    wazero.CompilationCache
	dir       string // empty: in memory
	temporary bool   // dir goes when the cache is closed
	kind      string // of compiled code, see kindOfCode
}

// Names in the cache's folder.
const (
	indexDir      = "index"
	copiesDir     = "modules"  // as they are compiled
	stagingPrefix = "compile-" // of folders in which one module is compiled
)

// staleAfter is how old a staging folder gets that a process left behind when it was killed.
const staleAfter = time.Hour

// openCache opens the cache in c.CacheDir. If that is empty it is in memory, or in a folder that
// goes with it where compilers have to pass their work on. What lies in the folder is run as
// machine code, so only the owner may write there.
func openCache(ctx context.Context, c Config) (_ *cache, err error) {
	k := &cache{dir: c.CacheDir}
	if k.dir == "" && len(c.Compiler) == 0 {
		k.wazero = wazero.NewCompilationCache()
		return k, nil
	}
	if err := k.makeDir(); err != nil {
		return nil, fmt.Errorf("open compile cache: %w", err)
	}
	if err := prune(k.dir, c.CacheBytes); err != nil {
		return nil, errors.Join(fmt.Errorf("prune compile cache: %w", err), k.remove())
	}
	if len(c.Compiler) > 0 {
		if k.kind, err = kindOfCode(ctx, c.MemoryBytes, k.dir); err != nil {
			return nil, errors.Join(fmt.Errorf("try compiler: %w", err), k.remove())
		}
	}
	if k.wazero, err = wazero.NewCompilationCacheWithDir(k.dir); err != nil {
		return nil, errors.Join(fmt.Errorf("open compile cache: %w", err), k.remove())
	}
	return k, nil
}

func (k *cache) makeDir() (err error) {
	if k.dir == "" {
		k.temporary = true
		k.dir, err = os.MkdirTemp("", "millrace-cache-*") // with mode 0700
		return err
	}
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return err
	}
	return os.Chmod(k.dir, 0o700)
}

// close ends all that was loaded from the cache.
func (k *cache) close(ctx context.Context) error {
	return errors.Join(k.wazero.Close(ctx), k.remove())
}

func (k *cache) remove() error {
	if !k.temporary {
		return nil
	}
	return os.RemoveAll(k.dir)
}

// holds tells whether wazero would find the module's code. It may be wrong the day the file is
// removed by somebody else; then wazero compiles.
func (k *cache) holds(wasm []byte) bool {
	entry := k.entry(wasm)
	path, err := os.ReadFile(entry)
	if err != nil || !filepath.IsLocal(string(path)) {
		return false
	}
	code := filepath.Join(k.dir, string(path))
	info, err := os.Stat(code)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	touch(code)
	touch(entry)
	return true
}

// take moves the one file of compiled code below staging to where wazero looks for it.
func (k *cache) take(staging string, wasm []byte) error {
	path, err := onlyFile(staging)
	if err != nil {
		return err
	}
	if filepath.Dir(path) != filepath.Dir(k.kind) {
		return fmt.Errorf("the compiler is another program: it made %s, this one would make %s", path, k.kind)
	}
	to := filepath.Join(k.dir, path)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(staging, path), to); err != nil {
		return err
	}
	entry := k.entry(wasm)
	if err := os.MkdirAll(filepath.Dir(entry), 0o700); err != nil {
		return err
	}
	return os.WriteFile(entry, []byte(path), 0o600)
}

// entry is the file of the index for a module. Code of another kind has another.
func (k *cache) entry(wasm []byte) string {
	sum := sha256.New()
	sum.Write([]byte(k.kind))
	sum.Write(wasm)
	return filepath.Join(k.dir, indexDir, hex.EncodeToString(sum.Sum(nil)))
}

// prune removes the files that were used longest ago below dir until the rest has no more than the given bytes. Others
// may do the same at the same time.
func prune(dir string, bytes int64) error {
	type file struct {
		path string
		info fs.FileInfo
	}
	var files []file
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return unlessGone(err)
		}
		info, err := d.Info()
		switch {
		case err != nil:
			return unlessGone(err)
		case d.IsDir() && strings.HasPrefix(d.Name(), stagingPrefix) && path != dir:
			if time.Since(info.ModTime()) > staleAfter {
				err = os.RemoveAll(path)
			}
			return cmp.Or(err, fs.SkipDir)
		case d.IsDir():
			return nil
		}
		bytes -= info.Size()
		files = append(files, file{path, info})
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b file) int {
		return cmp.Or(a.info.ModTime().Compare(b.info.ModTime()), cmp.Compare(a.path, b.path))
	})
	for ; bytes < 0 && len(files) > 0; files = files[1:] {
		if err := unlessGone(os.Remove(files[0].path)); err != nil {
			return err
		}
		bytes += files[0].info.Size()
	}
	return nil
}

func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
