package cluster_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/millrace/millrace/tests/cluster"
)

// TestWhatIsWatchedIsThere: each metric that an alert or the dashboard asks for is one that the running
// balancer has.
func TestWhatIsWatchedIsThere(t *testing.T) {
	c := cluster.Start(t, cluster.Config{})
	b := c.Balance()
	resp, err := http.Get(b.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	metric := regexp.MustCompile(`\bhaproxy_\w+`)
	there := metric.FindAllString(string(text), -1)
	asked := 0
	for _, expr := range append(alerts(t), panels(t)...) {
		for _, name := range metric.FindAllString(expr, -1) {
			asked++
			if !slices.Contains(there, name) {
				t.Errorf("%s is asked for, and not there", name)
			}
		}
	}
	if asked < 10 {
		t.Errorf("only %d metrics are asked for", asked)
	}
}

func alerts(t *testing.T) (exprs []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(deployFolder, "prometheus", "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations struct{ Summary string }
			}
		}
	}
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	for _, g := range doc.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Expr == "" || !strings.HasSuffix(r.Annotations.Summary, ".") {
				t.Errorf("alert %q lacks an expression or a sentence", r.Alert)
			}
			exprs = append(exprs, r.Expr)
		}
	}
	return exprs
}

func panels(t *testing.T) (exprs []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(deployFolder, "grafana", "millrace.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	for _, p := range doc.Panels {
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	return exprs
}
