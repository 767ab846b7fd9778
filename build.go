package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// errNoGo is returned by findGo where there is no go command.
var errNoGo = errors.New("the go command is needed to build plugins from Go source: get it from https://go.dev/dl and put it in the PATH")

// buildError is what the go command said about source that it could not build.
type buildError struct{ output string }

func (e *buildError) Error() string { return "the plugin does not build:\n" + e.output }

// offline is the environment of builds that need nothing but the SDK: no workspace, settings or
// proxy of the user can change them.
func offline() []string {
	return []string{"GOWORK=off", "GOFLAGS=-mod=readonly", "GOPROXY=off", "GOTOOLCHAIN=local"}
}

// toolchain builds plugins with the go command, against the SDK in this binary and without the
// network. It is safe for concurrent use.
type toolchain struct {
	command string // path of the go command
	version string // such as go1.26.3
	dir     string // the cache of this SDK and Go version, under the folder that findGo was given
}

// findGo returns the toolchain that the PATH leads to. Sources and what is built of them are kept
// in cache, in one folder for each SDK and Go version.
func findGo(ctx context.Context, cache string) (*toolchain, error) {
	command, err := exec.LookPath("go")
	if err != nil {
		return nil, errNoGo
	}
	t := &toolchain{command: command}
	out, err := t.run(ctx, offline(), "", "env", "GOVERSION")
	if err != nil {
		return nil, fmt.Errorf("ask the go command for its version: %w", err)
	}
	t.version = strings.TrimSpace(out)
	digest, err := sdkDigest()
	if err != nil {
		return nil, fmt.Errorf("read the embedded SDK: %w", err)
	}
	t.dir = filepath.Join(cache, digest[:16]+"-"+strings.ReplaceAll(t.version, string(filepath.Separator), "_"))
	if err := extractSDK(t.sdk()); err != nil {
		return nil, fmt.Errorf("extract the embedded SDK: %w", err)
	}
	if err := pruneCache(cache, t.dir); err != nil {
		return nil, fmt.Errorf("prune the build cache: %w", err)
	}
	return t, nil
}

// sdk is the folder of the extracted module.
func (t *toolchain) sdk() string { return filepath.Join(t.dir, "src") }

// example builds the example plugin of that name, or returns what an earlier call has built.
func (t *toolchain) example(ctx context.Context, name string) ([]byte, error) {
	built := filepath.Join(t.dir, name+".wasm")
	if wasm, err := os.ReadFile(built); err == nil {
		return wasm, nil
	}
	wasm, err := t.compile(ctx, offline(), t.sdk(), "./plugins/"+name)
	if err != nil {
		return nil, fmt.Errorf("build the example %s: %w", name, err)
	}
	if err := writeSynced(built, string(wasm)); err != nil {
		return nil, fmt.Errorf("keep the example %s: %w", name, err)
	}
	return wasm, nil
}

// folder builds the plugin whose package main is in dir. A module that knows the SDK, dir's own or
// one around it, is built as it stands. Without one, dir needs no go.mod: it is built as a module
// of its own that has the embedded SDK.
func (t *toolchain) folder(ctx context.Context, dir string) ([]byte, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if source, err := filepath.Glob(filepath.Join(dir, "*.go")); err != nil || len(source) == 0 {
		return nil, fmt.Errorf("%s holds no Go source", dir)
	}
	if t.inModule(ctx, dir) {
		return t.compile(ctx, nil, dir, ".")
	}
	overlay, remove, err := t.overlay(dir)
	if err != nil {
		return nil, err
	}
	defer remove()
	return t.compile(ctx, offline(), dir, ".", "-overlay="+overlay)
}

// inModule tells whether dir is to be built as it stands: it has a go.mod, or is part of a module
// where the SDK can be imported.
func (t *toolchain) inModule(ctx context.Context, dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
		return true
	}
	_, err := t.run(ctx, nil, dir, "list", "-find", "github.com/millrace/millrace/abi/guest")
	return err == nil
}

// overlay makes the go command see a go.mod in dir without writing there, so that what the compiler
// says names the author's own files.
func (t *toolchain) overlay(dir string) (file string, remove func(), err error) {
	tmp, err := os.MkdirTemp("", "millrace-build-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.RemoveAll(tmp) }
	mod := fmt.Sprintf("module callback.local\n\ngo 1.26.0\n\nrequire github.com/millrace/millrace v0.0.0\n\nreplace github.com/millrace/millrace => %q\n", t.sdk())
	replace := map[string]string{filepath.Join(dir, "go.mod"): filepath.Join(tmp, "go.mod")}
	doc, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		err = errors.Join(writeUnder(tmp, "go.mod", []byte(mod)), writeUnder(tmp, "overlay.json", doc))
	}
	if err != nil {
		remove()
		return "", nil, err
	}
	return filepath.Join(tmp, "overlay.json"), remove, nil
}

// compile builds one package of the module that dir is in.
func (t *toolchain) compile(ctx context.Context, env []string, dir, pkg string, flags ...string) ([]byte, error) {
	tmp, err := os.MkdirTemp("", "millrace-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	out := filepath.Join(tmp, "plugin.wasm")
	args := append([]string{"build", "-buildmode=c-shared", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", out}, flags...)
	if _, err := t.run(ctx, env, dir, append(args, pkg)...); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// run runs the go command in dir and returns its standard output. When it fails and says why, the
// error is a *buildError.
func (t *toolchain) run(ctx context.Context, env []string, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, t.command, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm"), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil && stderr.Len() > 0:
		return "", &buildError{strings.TrimSpace(stderr.String())}
	}
	return stdout.String(), err
}
