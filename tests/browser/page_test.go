package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

//go:embed page.html
var pageHTML []byte

// page is a page in a browser of its own. Its methods are for the test's goroutine.
type page struct {
	t     *testing.T
	ctx   context.Context
	count atomic.Int64 // events that it was known to have seen when last asked; for any goroutine
}

// seen is what the page has seen, as page.html keeps it; without its events.
type seen struct {
	Count  int  `json:"count"`
	Opens  int  `json:"opens"`
	Breaks int  `json:"breaks"` // times that the connection was lost or could not be made
	Closed bool `json:"closed"` // the EventSource has given up, as the standard asks for after some answers
}

type pageEvent struct {
	Name string `json:"name"`
	Data string `json:"data"`
	ID   string `json:"id"`
}

// openPage starts a browser, with a new profile that goes with it, on a page from a server of the
// test's own: streams are of another origin to it. The browser has further options.
func openPage(t *testing.T, options ...chromedp.ExecAllocatorOption) *page {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(pageHTML) // a browser that left needs none
	}))
	t.Cleanup(server.Close)
	options = append(options, chromedp.ExecPath(chromium(t)))
	for _, flag := range []string{
		"headless", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "no-proxy-server",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to run as root with it
	}
	bound, end := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(end)
	browsers, endBrowsers := chromedp.NewExecAllocator(bound, options...)
	t.Cleanup(endBrowsers)
	ctx, closePage := chromedp.NewContext(browsers)
	t.Cleanup(closePage)
	p := &page{t: t, ctx: ctx}
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL)); err != nil {
		t.Fatalf("open the page: %v", err)
	}
	return p
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("install Debian's package chromium")
	return ""
}

// evaluate returns the value of a script in the page.
func evaluate[T any](p *page, script string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", script, err)
	}
	return v
}

// follow opens an EventSource in the page that notes the events of names, and is closed at one of
// the name last.
func (p *page) follow(url string, last string, names ...string) {
	p.t.Helper()
	list, err := json.Marshal(names)
	if err != nil {
		p.t.Fatal(err)
	}
	evaluate[chromedp.Void](p, fmt.Sprintf("follow(%q, %s, %q)", url, list, last))
}

// await waits until the page has seen so many events, up to a time that only a hang needs.
func (p *page) await(count int) seen {
	p.t.Helper()
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		s := p.seen()
		switch {
		case s.Closed:
			p.t.Fatalf("the EventSource has given up: %+v", s)
		case s.Count >= count:
			return s
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			p.t.Fatalf("waited in vain for %d events: %+v", count, s)
		}
	}
}

func (p *page) seen() seen {
	p.t.Helper()
	s := evaluate[seen](p, "({...seen, events: undefined, count: seen.events.length})")
	p.count.Store(int64(s.Count))
	return s
}

func (p *page) events() []pageEvent {
	p.t.Helper()
	return evaluate[[]pageEvent](p, "seen.events")
}
