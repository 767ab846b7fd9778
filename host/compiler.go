package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// compiler compiles each module in a process of its own, so that one which takes too long or too
// much memory takes nothing else along. The code gets to wazero through the cache.
type compiler struct {
	config Config
	cache  *cache
}

// compile sees to it that the cache holds the code of wasm. A module that is not valid or that takes
// more than its limits is a *RefusedError.
func (p *compiler) compile(ctx context.Context, wasm []byte) error {
	staging, err := os.MkdirTemp(p.cache.dir, stagingPrefix+"*")
	if err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	defer os.RemoveAll(staging)
	r, err := p.run(ctx, staging, wasm)
	switch {
	case err != nil:
		return err
	case r.Invalid != "":
		return refuse("module is not valid: %s", r.Invalid)
	}
	if err := p.cache.take(staging, wasm); err != nil {
		return fmt.Errorf("keep compiled module: %w", err)
	}
	return nil
}

// run runs the process. It is not cut short when ctx ends.
func (p *compiler) run(ctx context.Context, staging string, wasm []byte) (r report, err error) {
	c := p.config
	patience := busyMachine * c.CompileTimeout
	o, err := json.Marshal(order{
		Staging: staging, MemoryBytes: c.MemoryBytes, Bytes: c.CompileBytes,
		Processor: c.CompileTimeout, Timeout: 2 * patience,
	})
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var output, complaint head
	cmd := exec.CommandContext(ctx, c.Compiler[0], c.Compiler[1:]...)
	cmd.Env = []string{} // it needs nothing that the server's may hold
	cmd.Stdin = io.MultiReader(bytes.NewReader(append(o, '\n')), bytes.NewReader(wasm))
	cmd.Stdout, cmd.Stderr = &output, &complaint
	cmd.WaitDelay = time.Second
	detach(cmd)
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return r, refuse("compiling takes longer than %v", patience)
	case err != nil && processorTime(cmd.ProcessState) >= c.CompileTimeout*9/10: // the system rounds
		return r, refuse("compiling takes longer than %v of processor time", c.CompileTimeout)
	case errors.As(err, new(*exec.ExitError)):
		return r, p.explain(err, complaint.text)
	case err != nil:
		return r, fmt.Errorf("run compiler: %w", err)
	}
	if err := json.Unmarshal([]byte(output.text), &r); err != nil {
		return r, fmt.Errorf("read the compiler's report: %w", err)
	}
	return r, nil
}

// busyMachine is how many times longer by the clock a compilation may take than of the processors,
// which others use as well: a compiler process comes last.
const busyMachine = 4

// processorTime is what a process took; nil took nothing.
func processorTime(p *os.ProcessState) time.Duration {
	if p == nil {
		return 0
	}
	return p.UserTime() + p.SystemTime()
}

// explain is why a compiler process failed that wrote complaint. It is the module's fault unless
// the compiler says otherwise: nothing else differs between one process and the next.
func (p *compiler) explain(err error, complaint string) error {
	for _, sign := range outOfMemory {
		if strings.Contains(complaint, sign) {
			return refuse("compiling takes more than %d MiB of memory", p.config.CompileBytes>>20)
		}
	}
	p.config.Logger.Error("compiler failed", "error", err, "output", complaint)
	return refuse("the compiler failed")
}

// outOfMemory is what Go's runtime and C's thread library say when the system gives no more memory,
// for the heap, for code, for a thread's stack or for the race detector.
var outOfMemory = []string{
	"out of memory", "cannot allocate memory", "cannot map pages",
	"failed to create new OS thread", "pthread_create failed", "failed to allocate",
}

// head keeps the beginning of what is written, where a process that crashes tells why, up to
// headBytes.
type head struct{ text string }

const headBytes = 16 << 10

// Write never fails.
func (h *head) Write(b []byte) (int, error) {
	h.text += string(b[:min(len(b), headBytes-len(h.text))])
	return len(b), nil
}
