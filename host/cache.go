package host

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/tetratelabs/wazero"
)

// openCache opens the compile cache in dir, or one in memory if dir is empty. What lies in dir is
// run as machine code, so only the owner may write there.
func openCache(dir string, bytes int64) (wazero.CompilationCache, error) {
	if dir == "" {
		return wazero.NewCompilationCache(), nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open compile cache: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make compile cache private: %w", err)
	}
	if err := prune(dir, bytes); err != nil {
		return nil, fmt.Errorf("prune compile cache: %w", err)
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open compile cache: %w", err)
	}
	return cache, nil
}

// prune removes the oldest files below dir until the rest has no more than the given bytes.
func prune(dir string, bytes int64) error {
	type file struct {
		path string
		info fs.FileInfo
	}
	var files []file
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
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
		if err := os.Remove(files[0].path); err != nil {
			return err
		}
		bytes += files[0].info.Size()
	}
	return nil
}
