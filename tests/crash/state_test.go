package crash

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/millrace/millrace/tests/program"
)

// TestAllThatIsSetUpOutlivesKill: what the registry and the stores hold is the same after SIGKILL,
// and works.
func TestAllThatIsSetUpOutlivesKill(t *testing.T) {
	s := program.Start(t)
	s.Put("/v1/tenants/acme", map[string]any{"hosts": []string{"acme.example.com"}, "quotas": map[string]any{"historyAge": "48h"}})
	s.Put("/v1/tenants/other", nil)
	kept, revoked := makeToken(t, s, "kept"), makeToken(t, s, "revoked")
	s.Must(http.MethodDelete, "/v1/tenants/acme/tokens/"+revoked.ID, nil)
	s.Put("/v1/tenants/acme/plugins/enrich", program.Plugin(t, "enrich"))
	route := map[string]any{"path": "/quotes", "plugin": "enrich", "subjects": []string{"quotes.>"}, "access": "public"}
	s.Put("/v1/tenants/acme/routes/quotes", route)
	route["retry"] = 700
	s.Put("/v1/tenants/acme/routes/quotes", route)

	// The callback keeps each price in the key-value store, and tells the change since the last one.
	quotes := s.Open("/t/acme/quotes")
	publishQuote(t, s, `{"price": 100}`)
	if e := decode(t, quotes.Next().Data); e["percentChange"] != nil {
		t.Errorf("the first quote has the change %v", e["percentChange"])
	}
	quotes.Close()
	before := setUp(s)

	s.Kill()
	s.Restart()
	for path, want := range before {
		if got := string(s.Must(http.MethodGet, path, nil)); got != want {
			t.Errorf("%s is\n%s\nwas\n%s", path, got, want)
		}
	}
	quotes = s.Open("/t/acme/quotes")
	publishQuote(t, s, `{"price": 110}`)
	if e := decode(t, quotes.Next().Data); e["percentChange"] != 10.0 {
		t.Errorf("the quote after the kill is %v, want a change of 10 percent", e)
	}
	for _, tt := range []struct {
		name    string
		token   token
		subject string
		want    int
	}{
		{"a token on its subjects", kept, "mine.a", http.StatusCreated},
		{"a token on another subject", kept, "quotes.AAPL", http.StatusForbidden},
		{"a token that was revoked", revoked, "mine.a", http.StatusUnauthorized},
	} {
		if got := tt.token.status(t, s, tt.subject); got != tt.want {
			t.Errorf("%s: publishing is a %d, want %d", tt.name, got, tt.want)
		}
	}
	rolledBack := decode(t, string(s.Must(http.MethodPost, "/v1/tenants/acme/routes/quotes/rollback", nil)))
	if rolledBack["revision"] != 3.0 || rolledBack["retry"] != nil {
		t.Errorf("the route is rolled back to %v, want revision 3 as the first was", rolledBack)
	}
}

// setUp is what the admin API shows, by path.
func setUp(s *program.Server) map[string]string {
	shown := map[string]string{}
	for _, path := range []string{
		"", "/acme", "/acme/tokens", "/acme/plugins", "/acme/plugins/enrich", "/acme/routes", "/acme/routes/quotes",
		"/acme/routes/quotes/revisions", "/other", "/other/routes",
	} {
		shown["/v1/tenants"+path] = string(s.Must(http.MethodGet, "/v1/tenants"+path, nil))
	}
	return shown
}

func publishQuote(t *testing.T, s *program.Server, data string) {
	t.Helper()
	if _, err := s.Publish(t.Context(), "acme", program.Event{Subject: "quotes.AAPL", Data: data}); err != nil {
		t.Fatal(err)
	}
}

type token struct{ ID, Token string }

func makeToken(t *testing.T, s *program.Server, name string) (made token) {
	t.Helper()
	body := s.Must(http.MethodPost, "/v1/tenants/acme/tokens", map[string]any{
		"name": name, "scopes": []string{"publish"}, "subjects": []string{"mine.>"},
	})
	if err := json.Unmarshal(body, &made); err != nil {
		t.Fatal(err)
	}
	return made
}

// status is that of publishing with a token.
func (tok token) status(t *testing.T, s *program.Server, subject string) int {
	t.Helper()
	a, err := s.Call(t.Context(), http.MethodPost, "/v1/tenants/acme/events/"+subject, []byte("{}"), "Authorization", "Bearer "+tok.Token)
	if err != nil {
		t.Fatal(err)
	}
	return a.Status
}

func decode(t *testing.T, text string) (doc map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return doc
}
