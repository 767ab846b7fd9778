package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestAUserWithoutACacheFolderGetsATemporaryOne(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("XDG_CACHE_HOME", "/dev/null/none")
	t.Setenv("HOME", "/dev/null/none")
	dir, done, err := buildCache()
	if err != nil || filepath.Dir(dir) != temp {
		t.Fatalf("cache is %s, %v; want a folder in %s", dir, err, temp)
	}
	done()
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is left behind: %v", err)
	}
}

func TestTheBuildCacheKeepsWhatWasUsedLast(t *testing.T) {
	cache := t.TempDir()
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 7 {
		dir := filepath.Join(cache, strconv.Itoa(i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, day, day.AddDate(0, 0, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := pruneCache(cache, filepath.Join(cache, "0")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{"0", "6"}; !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v: 0 is in use now", left, want)
	}
}
