package web_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/millrace/millrace/web"
)

// TestStorageIsMeasured publishes, and looks for it in the figures of what is stored.
func TestStorageIsMeasured(t *testing.T) {
	n := startNode(t, web.Config{})
	for _, tenant := range []string{"acme", "other"} {
		n.must("PUT", "/v1/tenants/"+tenant, nil, nil)
		for range 3 {
			n.publish(tenant, "a", "hello")
		}
	}
	_, body := n.do("GET", "/metrics", adminToken, nil)
	for _, want := range []string{
		`millrace_ready 1`, `millrace_draining 0`, `millrace_apart_seconds 0`, `millrace_meta_leader 1`, `millrace_cluster_nodes 1`,
		`millrace_copies_behind 0`, `millrace_history_events 6`, `millrace_history_bytes [1-9]`, `millrace_storage_bytes [1-9]`,
		`millrace_tenant_history_events{tenant="acme"} 3`, `millrace_tenant_history_bytes{tenant="other"} [1-9]`,
		`millrace_streams_led [1-9]`, `millrace_stream_copies [1-9]`, `millrace_hub_lag_events 0`, `millrace_hub_lag_seconds 0`,
		`millrace_sources_by_state{state="open"} 0`, `millrace_sources_by_state{state="failed"} 0`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).Match(body) {
			t.Errorf("no line %s", want)
		}
	}
	n.must("POST", "/v1/nodes/n1/drain", nil, nil)
	_, body = n.do("GET", "/metrics", adminToken, nil)
	for _, want := range []string{`millrace_ready 0`, `millrace_draining 1`} {
		if !regexp.MustCompile(`(?m)^` + want).Match(body) {
			t.Errorf("while it drains, no line %s", want)
		}
	}
}

// TestWhatIsWatchedIsMeasured: each metric of ours that an alert or the dashboard asks for is there.
func TestWhatIsWatchedIsMeasured(t *testing.T) {
	far := remote(t, resumed(said("one")))
	n := startShaper(t, web.Config{})
	n.source("a", far.URL, nil)
	n.stored("a").want("one")
	_, page := n.do("GET", "/metrics", adminToken, nil)
	metric := regexp.MustCompile(`\bmillrace_\w+`)
	there := metric.FindAllString(string(page), -1)
	for file, least := range map[string]int{"prometheus/rules.yml": 5, "grafana/millrace.json": 10} {
		text, err := os.ReadFile(filepath.Join("..", "deploy", file))
		check(t, err)
		asked := metric.FindAllString(string(text), -1)
		for _, name := range asked {
			if !slices.Contains(there, name) {
				t.Errorf("%s asks for %s, which is not there", file, name)
			}
		}
		if len(asked) < least {
			t.Errorf("%s asks for %d metrics of ours", file, len(asked))
		}
	}
}
