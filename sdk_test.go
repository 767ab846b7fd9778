package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestTheSDKIsExtractedOnceAndWithoutTests(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "src")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := extractSDK(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, want := range []string{"go.mod", "abi/abi.go", "abi/guest/guest.go", "plugins/basic/main.go"} {
		if _, err := os.Stat(filepath.Join(dir, want)); err != nil {
			t.Error(err)
		}
	}
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".md") {
			t.Errorf("%s is not needed", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("beside the folder are left %v, %v", left, err)
	}
}
