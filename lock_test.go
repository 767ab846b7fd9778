package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestADataFolderHasOneOwner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data")
	unlock, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder has mode %v, %v; want 0700", info.Mode(), err)
	}
	if _, err := lockFolder(dir); err == nil || !strings.Contains(err.Error(), "in use by another millrace") {
		t.Errorf("second owner: %v; want a refusal", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := lockFolder(dir)
	if err != nil {
		t.Fatalf("after the first owner left: %v", err)
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
}
