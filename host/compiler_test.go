package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// compilerArgument makes the test binary a compiler process. After it comes nothing, or how the
// process differs: "crash", or a file that it waits for when a module has the section waitForGate.
const (
	compilerArgument = "__compile"
	waitForGate      = "wait for the gate"
)

func beCompiler(how []string) {
	in, err := io.ReadAll(os.Stdin)
	if err != nil || slices.Equal(how, []string{"crash"}) {
		panic(fmt.Sprint("as asked for, or ", err))
	}
	for bytes.Contains(in, []byte(waitForGate)) {
		if _, err := os.Stat(how[0]); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := host.CompileMain(bytes.NewReader(in), os.Stdout); err != nil {
		panic(err)
	}
}

// compiler is the command of a compiler process.
func compiler(t testing.TB) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, compilerArgument}
}

// bomb is a module that passes the vet and that the compiler makes much of: functions in which each
// local may leave each block with another value than it had, so that there are locals times blocks of
// phi nodes.
func bomb(functions int) []byte {
	const locals, blocks = 300, 1000
	step := slices.Concat([]byte{0x02, 0x40}, localGet0, []byte{0x0d, 0}, // block: leave it if local 0 is set
		localGet0, localSet0, []byte{0x0b})
	var uses [][]byte
	for n := range locals {
		uses = append(uses, []byte{0x20}, leb(n), drop)
	}
	m := newModule().export(abi.OnEvent, i32(0))
	for range functions {
		m.function(":", locals, bytes.Repeat(step, blocks), slices.Concat(uses...))
	}
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
		{"what takes too long", host.Config{CompileTimeout: 3 * time.Second}, bomb(48), "compiling takes longer than "},
		{"what takes too much memory", host.Config{CompileBytes: 32 << 20}, bomb(4), "takes more than 32 MiB"},
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

// TestCompilationsDoNotWaitForAnother has the compiler of one module, which two ask for, wait until
// another module is there.
func TestCompilationsDoNotWaitForAnother(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	h := newHost(t, host.Config{Compiler: append(compiler(t), gate), CompileTimeout: time.Minute})
	slow := newModule().export(abi.OnEvent, i32(0))
	slow.extra = custom(waitForGate)
	module := slow.bytes()
	var callers sync.WaitGroup
	for range 2 {
		callers.Go(func() {
			if _, err := h.Prepare(context.Background(), module); err != nil {
				t.Error(err)
			}
		})
	}
	for n := range 3 {
		wasm := newModule().export(abi.OnEvent, i32(n)).bytes()
		if _, err := h.Prepare(t.Context(), wasm); err != nil {
			t.Error(err)
		}
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	callers.Wait()
	if s := h.Stats(); s.Modules != 4 {
		t.Errorf("there are %d modules, want 4", s.Modules)
	}
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
