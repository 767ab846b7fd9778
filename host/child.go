package host

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
)

// order is what a compiler process reads from its input: a line of JSON, then the module.
type order struct {
	Staging     string        // folder for the code, which is there and empty
	MemoryBytes int64         // Config.MemoryBytes
	Timeout     time.Duration // after which the process ends itself
	Processor   time.Duration // time that it may take of the processors
	Bytes       int64         // of memory that the process may take
}

// report is what it writes to its output.
type report struct {
	Invalid string // why the module is not valid; empty if it was compiled
}

// CompileMain is a whole compiler process, as Config.Compiler names it: it takes one order from
// stdin, limits its own process, compiles and writes a report to stdout. What ends it before that
// is its owner's to judge. It is not for a process that has anything else to do.
func CompileMain(stdin io.Reader, stdout io.Writer) error {
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	wasm, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read module: %w", err)
	}
	if err := o.confine(); err != nil {
		return fmt.Errorf("limit process: %w", err)
	}
	var r report
	if err := compileInto(context.Background(), o.Staging, o.MemoryBytes, wasm); isFileError(err) {
		return err
	} else if err != nil {
		r.Invalid, _, _ = strings.Cut(err.Error(), "\n")
		r.Invalid = clip(r.Invalid, maxLineBytes)
	}
	return json.NewEncoder(stdout).Encode(r)
}

// confine sees to it that the process ends in time, also when its owner is no more, and keeps its
// memory within bounds: the collector works harder from three quarters on, the system has the last
// word.
func (o order) confine() error {
	time.AfterFunc(o.Timeout, func() { os.Exit(1) })
	debug.SetMemoryLimit(o.Bytes / 4 * 3)
	return limitProcess(o.Bytes, o.Processor)
}

// compileInto compiles wasm to a file in dir.
func compileInto(ctx context.Context, dir string, memoryBytes int64, wasm []byte) error {
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return err
	}
	r := wazero.NewRuntimeWithConfig(ctx, runtimeConfig(memoryBytes, cache))
	_, err = r.CompileModule(ctx, wasm)
	return errors.Join(err, r.Close(ctx), cache.Close(ctx))
}

// kindOfCode names the kind of machine code that is made here and now. Code of one kind only can be
// loaded: wazero's version, the processor and the runtime's configuration go into it. All of that
// is in the name that wazero's cache gives to the code of an empty module.
func kindOfCode(ctx context.Context, memoryBytes int64, dir string) (string, error) {
	staging, err := os.MkdirTemp(dir, stagingPrefix+"*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(staging)
	if err := compileInto(ctx, staging, memoryBytes, []byte("\x00asm\x01\x00\x00\x00")); err != nil {
		return "", err
	}
	return onlyFile(staging)
}

// onlyFile is the path, below dir, of the one file there.
func onlyFile(dir string) (found string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if found != "" {
			return errors.New("the compiler made two files")
		}
		found, err = filepath.Rel(dir, path)
		return err
	})
	if err == nil && found == "" {
		err = errors.New("the compiler made no file")
	}
	return found, err
}

// isFileError tells a cache that cannot be read or written from a module that is not valid.
func isFileError(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	return errors.As(err, &path) || errors.As(err, &link) || err != nil && strings.Contains(err.Error(), "compilationcache")
}
