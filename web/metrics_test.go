package web_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/web"
)

func TestMetrics(t *testing.T) {
	n := startShaper(t, web.Config{MetricsToken: "only-for-the-scraper", Version: "v9"})
	traps := n.host.Stats().Traps
	far := remote(t, resumed(said("one", "panic", "two")))
	n.source("a", far.URL, map[string]any{"plugin": "shaper"})
	n.stored("a").want("ONE", "TWO")
	n.eventually("the source's counts", func() bool { return n.getSource("a").Status.Events == 3 })
	resp, body := n.do("GET", "/metrics", "only-for-the-scraper", nil)
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("%s, %s: %s", resp.Status, resp.Header.Get("Content-Type"), body)
	}
	for _, want := range []string{
		`millrace_build_info{node="n1",version="v9"} 1`,
		`millrace_source_state{source="a",state="open",tenant="acme"} 1`,
		`millrace_source_events_total{source="a",tenant="acme"} 3`,
		`millrace_source_stored_total{source="a",tenant="acme"} 2`,
		`millrace_source_dropped_total{source="a",tenant="acme"} 1`,
		`millrace_source_connections_total{source="a",tenant="acme"} 1`,
		`millrace_source_lag_seconds{source="a",tenant="acme"} `,
		`millrace_sources_running 1`,
		fmt.Sprint(`millrace_plugin_traps_total `, traps+1),
		`millrace_tenants 1`,
		`millrace_viewers 1`,
		`process_open_fds `,
		`go_goroutines `,
	} {
		if !strings.Contains(string(body), "\n"+want) {
			t.Errorf("no line %s", want)
		}
	}
	n.must("DELETE", "/v1/tenants/acme/sources/a", nil, nil)
	n.eventually("the source's metrics to go with it", func() bool {
		_, body := n.do("GET", "/metrics", adminToken, nil)
		return !strings.Contains(string(body), `source="a"`)
	})
}

func TestMetricsAreForTheOperator(t *testing.T) {
	n := startNode(t, web.Config{MetricsToken: "only-for-the-scraper"})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	_, tenant := n.token("acme", nil, "admin")
	for _, token := range []string{"", tenant, "only-for-the-scrape"} {
		if got := n.status("GET", "/metrics", token, nil); got != 401 {
			t.Errorf("token %.3q…: %d, want 401", token, got)
		}
	}
	if got := n.status("GET", "/v1/tenants", "only-for-the-scraper", nil); got != 401 {
		t.Errorf("the scraper's token opens the API: %d", got)
	}
}

// The names are a contract with dashboards: this finds one that breaks Prometheus's own rules.
func TestMetricNames(t *testing.T) {
	n := startNode(t, web.Config{})
	_, body := n.do("GET", "/metrics", adminToken, nil)
	line := regexp.MustCompile(`(?m)^# TYPE (millrace_\S+) (\S+)$`)
	all := line.FindAllStringSubmatch(string(body), -1)
	if len(all) < 15 {
		t.Errorf("%d metrics of ours", len(all))
	}
	for _, m := range all {
		if (m[2] == "counter") != strings.HasSuffix(m[1], "_total") {
			t.Errorf("%s is a %s", m[1], m[2])
		}
	}
}
