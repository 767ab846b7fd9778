package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// keptBuilds is how many folders of the build cache stay: those of the SDKs and Go versions that
// were used last. With the examples compiled, one has about 200 MB.
const keptBuilds = 2

// buildCache is the folder that keeps what is built of plugins between runs. Where the user can
// have none it is a temporary one, which done removes.
func buildCache() (dir string, done func(), err error) {
	if dir, err = os.UserCacheDir(); err == nil {
		dir = filepath.Join(dir, "millrace")
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		return dir, func() {}, nil
	}
	dir, err = os.MkdirTemp("", "millrace-build-")
	return dir, func() { os.RemoveAll(dir) }, err
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
