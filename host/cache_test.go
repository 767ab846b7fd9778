package host_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

func TestCacheOutlivesTheHost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	wasm := using(abi.OnStream, use{"close", nil}).bytes()
	c := host.Config{CacheDir: dir}
	set(t, c, wasm)
	first := files(t, dir)
	if len(first) != 1 {
		t.Fatalf("cache holds %d files, want 1", len(first))
	}
	s := set(t, c, wasm)
	if again := files(t, dir); len(again) != 1 || !os.SameFile(again[0], first[0]) {
		t.Error("the module was compiled again")
	}
	if err := s.stream(t.Context()); err != nil {
		t.Errorf("a module from the cache: %v", err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("cache has mode %v, %v", info.Mode(), err)
	}
}

func TestCacheIsBoundedAndNotTrusted(t *testing.T) {
	dir := t.TempDir()
	c := host.Config{CacheDir: dir, CacheBytes: 1}
	set(t, c, using(abi.OnStream, use{"close", nil}).bytes())
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("%d files are left of more bytes than allowed", len(left))
	}
	c.CacheBytes = 0
	wasm := newModule().export(abi.OnStream, i32(0)).bytes()
	set(t, c, wasm)
	scramble(t, dir)
	s := set(t, c, wasm)
	if err := s.stream(t.Context()); err != nil {
		t.Errorf("a module whose cached code was scrambled: %v", err)
	}
	if left := files(t, dir); len(left) != 1 || left[0].Size() <= int64(len("scrambled")) {
		t.Errorf("the cache was not mended: %d files", len(left))
	}
}

// TestCacheKeepsWhatIsUsed makes the code of two modules old, uses the older, and leaves too little room
// for both.
func TestCacheKeepsWhatIsUsed(t *testing.T) {
	c := host.Config{CacheDir: t.TempDir(), Compiler: compiler(t)}
	used, unused := speaker(1).bytes(), speaker(2).bytes()
	set(t, c, used)
	age(t, c.CacheDir)
	set(t, c, unused)
	age(t, c.CacheDir)
	bytes := int64(0)
	for _, f := range files(t, c.CacheDir) {
		bytes += f.Size()
	}
	set(t, c, used)
	c.CacheBytes, c.Compiler = bytes-1, nil
	newHost(t, c) // prunes
	c.Compiler = []string{"no such program"}
	set(t, c, used)
}

// age makes every file below dir an hour older.
func age(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		then := info.ModTime().Add(-time.Hour)
		return os.Chtimes(path, then, then)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// scramble writes nonsense into every file below dir.
func scramble(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.WriteFile(path, []byte("scrambled"), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T, dir string) (found []fs.FileInfo) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		found = append(found, info)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
