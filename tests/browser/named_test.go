package browser

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/tests/program"
)

func TestAPageSeesTheNamedEventsOfACallback(t *testing.T) {
	s := newAcme(t)
	s.Put("/v1/tenants/acme/plugins/basic", program.Plugin(t, "basic"))
	s.Put("/v1/tenants/acme/routes/basic", map[string]any{"path": "/basic", "plugin": "basic", "access": "public", "cors": "*"})
	p := openPage(t)
	p.follow(s.URL+"/t/acme/basic", "done", "message", "update", "done")
	p.await(5)
	var got []string
	for _, e := range p.events() {
		got = append(got, e.Name+" "+e.Data)
	}
	want := []string{
		"message Hello from server!",
		`update {"status":"processing","progress":25}`,
		`update {"status":"processing","progress":50}`,
		`update {"status":"processing","progress":75}`,
		`done {"complete":true}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("the page saw\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// trap is a module whose onStream fails at once:
//
//	(module (memory (export "memory") 1) (func (export "onStream") (result i32) unreachable))
const trap = "\x00asm\x01\x00\x00\x00" +
	"\x01\x05\x01\x60\x00\x01\x7f" + // type: no parameters, an i32
	"\x03\x02\x01\x00" + // one function of it
	"\x05\x03\x01\x00\x01" + // memory of one page
	"\x07\x15\x02\x06memory\x02\x00\x08onStream\x00\x00" +
	"\x0a\x05\x01\x03\x00\x00\x0b" // unreachable

// TestAPageSeesWhatTheServerHasToSay: the reserved events reach an EventSource like any others.
func TestAPageSeesWhatTheServerHasToSay(t *testing.T) {
	s := newAcme(t)
	s.Put("/v1/tenants/acme", map[string]any{"quotas": map[string]any{"historyBytes": 64 << 10}})
	s.Put("/v1/tenants/acme/plugins/trap", []byte(trap))
	for name, route := range map[string]map[string]any{
		"tail":   {"subjects": []string{"big"}},
		"failed": {"plugin": "trap"},
	} {
		route["path"], route["access"], route["cors"] = "/"+name, "public", "*"
		s.Put("/v1/tenants/acme/routes/"+name, route)
	}
	var ids []string
	for range 100 { // twice what history keeps
		id, err := s.Publish(t.Context(), "acme", program.Event{Subject: "big", Data: strings.Repeat("x", 1300)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	for _, tt := range []struct{ name, url, event, key string }{
		{"an id that history no longer reaches", "/t/acme/tail?last_event_id=" + ids[0], "gap", "oldest"},
		{"an id of another history", "/t/acme/tail?last_event_id=0123456789ab-1", "reset", "id"},
		{"a callback that fails", "/t/acme/failed", "error", "error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := openPage(t)
			p.follow(s.URL+tt.url, tt.event, tt.event)
			p.await(1)
			e := p.events()[0]
			var doc map[string]string
			if err := json.Unmarshal([]byte(e.Data), &doc); err != nil || e.Name != tt.event || doc[tt.key] == "" {
				t.Errorf("the page saw %+v, want a %s event that tells %s", e, tt.event, tt.key)
			}
			if tt.event == "gap" && !slices.Contains(ids, doc["oldest"]) {
				t.Errorf("the oldest id is told as %q, which is none", doc["oldest"])
			}
		})
	}
}
