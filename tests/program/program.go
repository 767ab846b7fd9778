// Package program runs the millrace binary as its users do: built by the go command, started as a
// process with a data folder and a port, reached over HTTP, ended by signals.
//
// It owns the processes that it starts: none outlives its test, nor the test binary. Everything it
// waits for has a bound. It knows the program's contract, not its code.
package program

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Environment variables that a test run may set.
const (
	// binaryEnv is the path of a binary to test instead of building one.
	binaryEnv = "MILLRACE_BINARY"

	// raceEnv set to 1 builds the binary with the race detector; what that reports fails the test.
	raceEnv = "MILLRACE_RACE"
)

// Main builds the binary, runs the tests of m and removes it. It returns the exit status, so that a
// package's TestMain is one line.
func Main(m *testing.M) int {
	if os.Getenv(binaryEnv) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "millrace-tests-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "millrace")
	flags := []string{"-o", binary}
	if os.Getenv(raceEnv) == "1" {
		flags = append(flags, "-race")
	}
	if err := build(nil, ".", flags...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv(binaryEnv, binary)
	return m.Run()
}

// Plugin builds one of the examples in plugins/ and returns its bytes.
func Plugin(t testing.TB, name string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), name+".wasm")
	env := []string{"GOOS=wasip1", "GOARCH=wasm"}
	if err := build(env, "./plugins/"+name, "-buildmode=c-shared", "-o", out); err != nil {
		t.Fatal(err)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// build builds a package of this module, named from the module's root.
func build(env []string, pkg string, flags ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	args := slices.Concat([]string{"build", "-buildvcs=false"}, flags, []string{pkg})
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = slices.Concat(os.Environ(), []string{"GOFLAGS="}, env)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}
