package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

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
	if want := []string{"0", "4", "5", "6"}; !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v: 0 is in use now", left, want)
	}
}
