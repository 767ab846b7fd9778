package host_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

// compilerArgument makes the test binary a compiler process.
const compilerArgument = "__compile"

// compiler is the command of a compiler process.
func compiler(t testing.TB) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, compilerArgument}
}

// bomb is a module that is valid and small, and that the compiler makes much of: each local may leave
// each block with another value than it had, so that there are locals times blocks of phi nodes.
func bomb(locals, blocks int) []byte {
	step := slices.Concat([]byte{0x02, 0x40}, localGet0, []byte{0x0d, 0}, // block: leave it if local 0 is set
		localGet0, localSet0, []byte{0x0b})
	var uses [][]byte
	for n := range locals {
		uses = append(uses, []byte{0x20}, leb(n), drop)
	}
	m := newModule()
	m.exports = append(m.exports, moduleExport{abi.OnEvent, 0,
		m.function(":i", locals, bytes.Repeat(step, blocks), slices.Concat(uses...), i32(0))})
	return m.bytes()
}

func TestCompilerProcess(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "cache")} {
		c := host.Config{CacheDir: dir, Compiler: compiler(t)}
		wasm := using(abi.OnStream, use{"close", nil}).bytes()
		for range 2 {
			s := set(t, c, wasm)
			if err := s.stream(t.Context()); err != nil {
				t.Errorf("cache in %q: %v", dir, err)
			}
		}
		if dir == "" {
			continue
		}
		if found := files(t, dir); len(found) != 2 {
			t.Errorf("the cache holds %d files, want the code and its entry in the index", len(found))
		}
		c.Compiler = []string{filepath.Join(dir, "no such program")}
		set(t, c, wasm) // from the cache
		if _, err := newHost(t, c).Prepare(t.Context(), echo()); err == nil || errors.As(err, new(*host.RefusedError)) {
			t.Errorf("without a compiler: %v, want an error that is not the module's", err)
		}
	}
}

func TestCompilerProcessRefuses(t *testing.T) {
	quick := newModule().export(abi.OnEvent, i32(0)).bytes()
	for _, tt := range []struct {
		name   string
		config host.Config
		wasm   []byte
		want   string
	}{
		{"what is not valid", host.Config{}, newModule().export(abi.OnEvent, drop).bytes(), "module is not valid: invalid function[0]"},
		{"what takes too long", host.Config{CompileTimeout: 300 * time.Millisecond}, bomb(1000, 3000), "takes longer than 300ms"},
		{"what takes too much memory", host.Config{CompileBytes: 64 << 20}, bomb(1000, 3000), "takes more than 64 MiB"},
		{"what makes it crash", host.Config{Compiler: append(compiler(t), "crash")}, quick, "the compiler failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.config.Compiler == nil {
				tt.config.Compiler = compiler(t)
			}
			tt.config.CacheDir = t.TempDir()
			h := newHost(t, tt.config)
			_, err := h.Prepare(t.Context(), tt.wasm)
			var refused *host.RefusedError
			if !errors.As(err, &refused) || !strings.Contains(refused.Reason, tt.want) {
				t.Errorf("error is %v, want a refusal with %q", err, tt.want)
			}
			if left := files(t, tt.config.CacheDir); len(left) != 0 {
				t.Errorf("%d files are left", len(left))
			}
			if tt.config.Compiler[len(tt.config.Compiler)-1] == "crash" {
				return
			}
			if _, err := h.Prepare(t.Context(), quick); err != nil {
				t.Errorf("a good module after that: %v", err)
			}
		})
	}
}

// TestCompilationsDoNotWaitForAnother has one module compile until its time is up, which nobody
// else notices, and asks for that module twice.
func TestCompilationsDoNotWaitForAnother(t *testing.T) {
	h := newHost(t, host.Config{Compiler: compiler(t), CompileTimeout: 3 * time.Second, CompileBytes: 4 << 30})
	var bombs sync.WaitGroup
	ended := make(chan struct{})
	for range 2 {
		bombs.Go(func() {
			if _, err := h.Prepare(context.Background(), bomb(2000, 5000)); !errors.As(err, new(*host.RefusedError)) {
				t.Errorf("the bomb: %v, want a refusal", err)
			}
		})
	}
	go func() { bombs.Wait(); close(ended) }()
	for n := range 3 {
		wasm := newModule().export(abi.OnEvent, i32(n)).bytes()
		if _, err := h.Prepare(t.Context(), wasm); err != nil {
			t.Error(err)
		}
	}
	select {
	case <-ended:
		t.Error("the bomb ended before others were compiled")
	default:
	}
	<-ended
}

func TestScrambledCodeIsCompiledAnew(t *testing.T) {
	c := host.Config{CacheDir: t.TempDir(), Compiler: compiler(t)}
	wasm := using(abi.OnStream, use{"close", nil}).bytes()
	set(t, c, wasm)
	scramble(t, c.CacheDir)
	s := set(t, c, wasm)
	if err := s.stream(t.Context()); err != nil {
		t.Error(err)
	}
}
