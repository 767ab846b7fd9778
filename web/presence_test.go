package web_test

import (
	"reflect"
	"testing"

	"github.com/millrace/millrace/web"
)

type presenceDoc struct {
	Node       string
	Viewers    int
	Principals []presentDoc
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
	if got := now(); got.Node != "n7" || got.Viewers != 0 || got.Principals == nil {
		t.Errorf("nobody is there: %+v", got)
	}
	nobody := n.open("/t/acme/a")
	n.open("/t/acme/a", "Authorization", "Bearer "+secret)
	n.open("/t/acme/a", "Authorization", "Bearer "+secret)
	n.open("/t/acme/b")
	want := presenceDoc{"n7", 3, []presentDoc{{"token " + id, 2}, {"address 127.0.0.1", 1}}}
	if got := now(); !reflect.DeepEqual(got, want) {
		t.Errorf("three are there: %+v, want %+v", got, want)
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
