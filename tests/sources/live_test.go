package sources

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/broker/source/sourcetest"
	"github.com/millrace/millrace/tests/program"
)

// model answers as a language model does, an event each time the test goes on.
type model struct {
	url  string
	next chan struct{}
}

func startModel(t *testing.T) *model {
	t.Helper()
	m := &model{next: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range sourcetest.OpenAIChat(sourcetest.Answer) {
			select {
			case <-m.next:
			case <-r.Context().Done():
				return
			}
			_, _ = w.Write(sse.AppendEvent(nil, &e)) // a client that left needs none
			_ = http.NewResponseController(w).Flush()
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	m.url = server.URL
	return m
}

// TestATabSeesTokensLive: each event of an AI's answer is on a page in Chromium before the remote sends
// the next one.
func TestATabSeesTokensLive(t *testing.T) {
	s, m := startAcme(t), startModel(t)
	s.Put("/v1/tenants/acme/routes/answers", map[string]any{
		"path": "/answers", "subjects": []string{"answers"}, "access": "public", "cors": "*",
	})
	tab := openTab(t, s)
	s.Put("/v1/tenants/acme/sources/model", map[string]any{
		"url": m.url + "/v1/chat/completions", "method": http.MethodPost, "subject": "answers",
		"body": map[string]any{"stream": true, "messages": []map[string]string{{"role": "user", "content": "What does a river remember?"}}},
	})
	var want []string
	for _, e := range sourcetest.OpenAIChat(sourcetest.Answer) {
		m.next <- struct{}{}
		want = append(want, e.Data)
		tab.await(t, want)
	}
	awaitStatus(t, s, "model", func(st status) bool { return st.State == "done" })
}

// tab is a page in a browser of its own that follows the answers.
type tab struct{ ctx context.Context }

func openTab(t *testing.T, s *program.Server) tab {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<script>
			seen = []
			stream = new EventSource(%q)
			stream.onmessage = e => seen.push(e.data)
		</script>`, s.URL+"/t/acme/answers")
	}))
	t.Cleanup(server.Close)
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(chromium(t))}
	for _, flag := range []string{"headless", "disable-gpu", "no-first-run", "disable-background-networking", "disable-dev-shm-usage", "no-proxy-server"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to run as root with it
	}
	bound, end := context.WithTimeout(context.Background(), within)
	t.Cleanup(end)
	browsers, endBrowsers := chromedp.NewExecAllocator(bound, options...)
	t.Cleanup(endBrowsers)
	ctx, closeTab := chromedp.NewContext(browsers)
	t.Cleanup(closeTab)
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL)); err != nil {
		t.Fatalf("open the page: %v", err)
	}
	p := tab{ctx}
	p.until(t, "is connected", func() bool { return evaluate[int](t, p, "stream.readyState") == 1 })
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

// await waits until the page has seen these events, and no others.
func (p tab) await(t *testing.T, want []string) {
	t.Helper()
	p.until(t, "has "+want[len(want)-1], func() bool { return slices.Equal(evaluate[[]string](t, p, "seen"), want) })
}

func (p tab) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within / 3); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the page never %s, but %q", what, evaluate[[]string](t, p, "seen"))
		}
	}
}

func evaluate[T any](t *testing.T, p tab, script string) T {
	t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}
