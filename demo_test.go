package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/plugins"
)

var curlLine = regexp.MustCompile(`(?m)^  (\S+) +curl -N '(http[^']+)'$`)

// TestEveryAddressOfTheDemoStreams starts the demo as the first run on a machine does, with nothing
// built yet, and opens each address that it prints until an event has come.
func TestEveryAddressOfTheDemoStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("building all examples takes a minute")
	}
	tools(t) // or skip
	temp := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("TMPDIR", temp)
	out, stop := start(t, "demo", "--listen", "127.0.0.1:0")
	said := out.await(t, "examples are served.")
	if want := fmt.Sprintf("%d of %d examples", len(plugins.Examples), len(plugins.Examples)); !strings.Contains(said, want) {
		t.Fatalf("not %s are served:\n%s", want, said)
	}
	var wg sync.WaitGroup
	found := curlLine.FindAllStringSubmatch(said, -1)
	for _, m := range found {
		wg.Go(func() { awaitEvent(t, m[1], m[2]) })
	}
	wg.Wait()
	if want := len(plugins.Examples) + len(plainRoutes); len(found) != want {
		t.Errorf("%d addresses are printed, want %d:\n%s", len(found), want, said)
	}
	stop()
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("the demo left %v behind, %v", left, err)
	}
}

// awaitEvent opens an address until its first event; a stream that ends before is a failure.
func awaitEvent(t *testing.T, name, url string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		t.Errorf("%s: %s, %s", name, resp.Status, resp.Header.Get("Content-Type"))
		return
	}
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if strings.HasPrefix(s.Text(), "data: ") {
			return
		}
	}
	t.Errorf("%s: the stream ended without an event", name)
}

func TestWithoutGoTheDemoServesPlainStreams(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	out, stop := start(t, "demo", "--listen", "127.0.0.1:0")
	said := out.await(t, "The example plugins are left out")
	found := curlLine.FindAllStringSubmatch(said, -1)
	if len(found) != len(plainRoutes) || !strings.Contains(said, "https://go.dev/dl") {
		t.Errorf("printed was\n%s", said)
	}
	for _, m := range found {
		awaitEvent(t, m[1], m[2])
	}
	stop()
}
