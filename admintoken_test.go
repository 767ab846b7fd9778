package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheOperatorsTokenIsMadeOnceAndKeptPrivate(t *testing.T) {
	dir := t.TempDir()
	first, made, err := ensureAdminToken(dir)
	if err != nil || !made {
		t.Fatalf("first start: made %v, %v", made, err)
	}
	if bits := 6 * len(strings.TrimPrefix(first, adminTokenPrefix)); bits < 256 {
		t.Errorf("token has %d bits, want at least 256", bits)
	}
	second, made, err := ensureAdminToken(dir)
	if err != nil || made || second != first {
		t.Errorf("second start: %q, made %v, %v; want the first token", second, made, err)
	}
	info, err := os.Stat(filepath.Join(dir, adminTokenFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file has mode %v, %v; want 0600", info.Mode(), err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("folder holds %v, %v; want the token only", left, err)
	}
}

func TestATokenFileThatCannotBeTrustedIsRefused(t *testing.T) {
	good := adminTokenPrefix + strings.Repeat("x", 43)
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"others can read it", good, 0o644, "chmod 600"},
		{"it is empty", "", 0o600, "holds no operator's token"},
		{"it holds something else", "hello", 0o600, "holds no operator's token"},
		{"the token was cut short", good[:20], 0o600, "holds no operator's token"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, adminTokenFile)
		if err := os.WriteFile(path, []byte(tt.text), tt.mode); err != nil {
			t.Fatal(err)
		}
		token, made, err := ensureAdminToken(dir)
		if err == nil || made || token != "" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q, made %v, %v; want an error with %q", tt.name, token, made, err, tt.want)
		}
		if b, _ := os.ReadFile(path); string(b) != tt.text {
			t.Errorf("%s: the file was overwritten", tt.name)
		}
	}
}
