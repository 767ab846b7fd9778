package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// keptBuilds is how many folders of the build cache stay: those of the SDKs and Go versions that
// were used last.
const keptBuilds = 4

// buildCache is the folder that what is built of the examples is kept in, between runs.
func buildCache() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "millrace"), err
}

// pruneCache marks the folder current as used now and removes the ones of cache that were not used
// for longest, beyond keptBuilds.
func pruneCache(cache, current string) error {
	now := time.Now()
	if err := os.Chtimes(current, now, now); err != nil {
		return err
	}
	entries, err := os.ReadDir(cache)
	if err != nil {
		return err
	}
	type folder struct {
		path string
		used time.Time
	}
	var folders []folder
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() {
			folders = append(folders, folder{filepath.Join(cache, e.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(folders, func(a, b folder) int {
		return cmp.Or(b.used.Compare(a.used), cmp.Compare(a.path, b.path))
	})
	for _, f := range folders[min(keptBuilds, len(folders)):] {
		if f.path == current {
			continue
		}
		if err := os.RemoveAll(f.path); err != nil {
			return err
		}
	}
	return nil
}
