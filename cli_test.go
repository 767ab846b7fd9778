package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// try runs the command line as main does, without input.
func try(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(t.Context(), args, &console{in: strings.NewReader(""), out: &out, err: &err})
	return status, out.String(), err.String()
}

func TestExitStatus(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   string
		status int
		says   string // on standard output for status 0, else on standard error
	}{
		{"no command is bad usage", "", exitUsage, "serve"},
		{"an unknown command is bad usage", "fly", exitUsage, "fly"},
		{"an unknown flag is bad usage", "serve --lissten :1", exitUsage, "--lissten"},
		{"help is no failure", "--help", exitOK, "tail"},
		{"help of a command is no failure, though arguments are missing", "publish --help", exitOK, "--ndjson"},
		{"version prints one line", "version", exitOK, "millrace "},
		{"serving all interfaces needs a decision", "serve --listen :8080", exitUsage, "--insecure"},
		{"and another machine's view of this one too", "serve --listen 192.0.2.1:8080", exitUsage, "--insecure"},
		{"an address without a port is bad usage", "serve --listen 127.0.0.1", exitUsage, "host:port"},
		{"a drain of nothing is bad usage", "serve --drain 0s", exitUsage, "--drain"},
		{"a log level that is none is bad usage", "serve --log-level loud", exitUsage, "loud"},
		{"a log format that is none is bad usage", "serve --log-format xml", exitUsage, "xml"},
		{"the demo stays on this machine", "demo --listen 0.0.0.0:0", exitUsage, "everything in the demo is public"},
		{"a client needs a tenant", "publish a b", exitUsage, "--tenant"},
		{"publish needs a subject", "publish --tenant t", exitUsage, "--ndjson"},
		{"lines name their own subject", "publish --tenant t --ndjson a", exitUsage, "each line"},
		{"tail needs a subject", "tail --tenant t", exitUsage, "subjects"},
		{"tail begins in one place", "tail --tenant t a --from earliest --since 2026-01-01T00:00:00Z", exitUsage, "together"},
		{"an id that is none is bad usage", "tail --tenant t a --from 1", exitUsage, "neither the id of an event"},
		{"a time that is none is bad usage", "tail --tenant t a --since yesterday", exitUsage, "yesterday"},
		{"a scope that is none is bad usage", "token create x --tenant t --scopes fly", exitUsage, "fly"},
		{"deploying nothing fails", "deploy testdata/none.wasm --tenant t --name n", exitFailed, "nothing to deploy"},
		{"deploying one Go file fails with what to do", "deploy main.go --tenant t --name n", exitFailed, "name its folder"},
		{"a server that is not there fails with what to do", "publish --tenant t a b --server http://127.0.0.1:1", exitFailed, "millrace serve"},
		{"a server that is no URL fails", "publish --tenant t a b --server here", exitFailed, "not a URL"},
	} {
		status, stdout, stderr := try(t, strings.Fields(tt.args)...)
		said := stdout
		if tt.status != exitOK {
			said = stderr
		}
		if status != tt.status || !strings.Contains(said, tt.says) {
			t.Errorf("%s: millrace %s: status %d, want %d with %q\n%s%s", tt.name, tt.args, status, tt.status, tt.says, stdout, stderr)
		}
	}
}

func TestFlagsComeFromTheEnvironmentToo(t *testing.T) {
	t.Setenv("MILLRACE_LISTEN", "0.0.0.0:0")
	if status, _, stderr := try(t, "serve"); status != exitUsage || !strings.Contains(stderr, "0.0.0.0:0") {
		t.Errorf("MILLRACE_LISTEN is not looked at: status %d\n%s", status, stderr)
	}
	if status, _, stderr := try(t, "serve", "--listen", "nothing"); status != exitUsage || !strings.Contains(stderr, `"nothing"`) {
		t.Errorf("a flag does not go before the environment: status %d\n%s", status, stderr)
	}
}

func TestAnInterruptEndsWhatGoesOnAndFailsWhatWasNotDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"tail", "a"}, exitOK, ""},
		{[]string{"publish", "a", "b"}, exitFailed, "millrace: interrupted\n"},
	} {
		var out, err bytes.Buffer
		args := append(tt.args, "--tenant", "t", "--server", "http://127.0.0.1:1")
		if status := run(ctx, args, &console{out: &out, err: &err}); status != tt.status || err.String() != tt.says {
			t.Errorf("%s: status %d and %q, want %d and %q", tt.args[0], status, err.String(), tt.status, tt.says)
		}
	}
}
