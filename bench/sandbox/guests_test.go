package sandbox_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// read returns a guest that comes with its source.
func read(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("guests", name))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// buildGo builds a guest in Go: those are too large to come with their source.
func buildGo(t testing.TB, name string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "guest.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", file, "./guests/go/"+name)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build guest %s: %v\n%s", name, err, out)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// TestGuestsMatchTheirSource builds the guests that come with their source again. Other versions of
// the compilers may well make others: SANDBOX_GUESTS=same asks for the test, with those that the
// README names.
func TestGuestsMatchTheirSource(t *testing.T) {
	if os.Getenv("SANDBOX_GUESTS") != "same" {
		t.Skip("set SANDBOX_GUESTS=same to build the guests again and compare")
	}
	out := t.TempDir()
	build := exec.Command("guests/build.sh", out)
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build guests: %v\n%s", err, text)
	}
	for _, name := range []string{"c/millrace.wasm", "c/extism.wasm", "rust/millrace.wasm", "rust/extism.wasm"} {
		built, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(built, read(t, name)) {
			t.Errorf("%s is not what its source gives: run guests/build.sh", name)
		}
	}
}
