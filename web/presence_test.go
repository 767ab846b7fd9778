package web_test

import (
	"reflect"
	"testing"

	"github.com/millrace/millrace/web"
)

type presenceDoc struct {
	Viewers    int
	Nodes      []presentNode
	Silent     []string
	Subjects   []presentDoc
	Principals []presentDoc
}

type presentNode struct {
	Node    string
	Viewers int
}

type presentDoc struct {
	Name    string
	Viewers int
}

func TestPresenceTellsWhoWatchesARoute(t *testing.T) {
	n := startNode(t, web.Config{Node: "n7"})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}})
	n.route("acme", "b", "/b", map[string]any{"subjects": []string{"a"}})
	id, secret := n.token("acme", nil, "subscribe")
	_, publisher := n.token("acme", nil, "publish")
	const path = "/v1/tenants/acme/routes/a/viewers"
	now := func() (doc presenceDoc) {
		n.must("GET", path, nil, &doc)
		return doc
	}
	want := presenceDoc{0, []presentNode{{"n7", 0}}, []string{}, []presentDoc{}, []presentDoc{}}
	if got := now(); !reflect.DeepEqual(got, want) {
		t.Errorf("nobody is there: %+v, want %+v", got, want)
	}
	nobody := n.open("/t/acme/a")
	n.open("/t/acme/a", "Authorization", "Bearer "+secret)
	n.open("/t/acme/a", "Authorization", "Bearer "+secret)
	n.open("/t/acme/b")
	want = presenceDoc{
		3, []presentNode{{"n7", 3}}, []string{},
		[]presentDoc{{"a", 3}}, []presentDoc{{"token " + id, 2}, {"address 127.0.0.1", 1}},
	}
	if got := now(); !reflect.DeepEqual(got, want) {
		t.Errorf("three are there: %+v, want %+v", got, want)
	}
	if got := n.status("GET", path+"?node=n8", adminToken, nil); got != 404 {
		t.Errorf("the viewers on a node that is none are a %d, want 404", got)
	}
	nobody.leave()
	n.eventually("one to be gone", func() bool { got := now(); return got.Viewers == 2 && len(got.Principals) == 1 })
	for path, want := range map[string]int{path: 403, "/v1/tenants/acme/routes/none/viewers": 403} {
		if got := n.status("GET", path, publisher, nil); got != want {
			t.Errorf("GET %s with a publisher's token is a %d, want %d", path, got, want)
		}
	}
	if got := n.status("GET", "/v1/tenants/acme/routes/none/viewers", adminToken, nil); got != 404 {
		t.Errorf("the viewers of no route are a %d, want 404", got)
	}
}

// TestPresenceTellsWhatIsWatched: a route with placeholders has viewers of many subjects.
func TestPresenceTellsWhatIsWatched(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.route("acme", "q", "/q/:symbol", map[string]any{"subjects": []string{"quotes.{symbol}", "news"}})
	n.open("/t/acme/q/AAPL")
	leaver := n.open("/t/acme/q/AAPL")
	n.open("/t/acme/q/MSFT")
	watched := func(query string) (viewers int, subjects []presentDoc) {
		var doc presenceDoc
		n.must("GET", "/v1/tenants/acme/routes/q/viewers"+query, nil, &doc)
		return doc.Viewers, doc.Subjects
	}
	for _, tt := range []struct {
		query   string
		viewers int
		want    []presentDoc
	}{
		{"", 3, []presentDoc{{"news", 3}, {"quotes.AAPL", 2}, {"quotes.MSFT", 1}}},
		{"?subject=quotes.AAPL", 2, []presentDoc{{"quotes.AAPL", 2}}},
		{"?subject=quotes.IBM", 0, []presentDoc{}},
		{"?node=n1&subject=news", 3, []presentDoc{{"news", 3}}},
	} {
		if viewers, subjects := watched(tt.query); viewers != tt.viewers || !reflect.DeepEqual(subjects, tt.want) {
			t.Errorf("viewers%s: %d, %v, want %d, %v", tt.query, viewers, subjects, tt.viewers, tt.want)
		}
	}
	leaver.leave()
	n.eventually("the one to be gone", func() bool { viewers, _ := watched("?subject=quotes.AAPL"); return viewers == 1 })
}
