package web

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
)

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		pattern, want string
		covers        bool
	}{
		{"a.b", "a.b", true},
		{"a.b", "a.c", false},
		{"a.b", "a.b.c", false},
		{"a.*", "a.b", true},
		{"a.*", "a.*", true},
		{"a.*", "a.>", false},
		{"a.*", "a", false},
		{"a.b", "a.*", false},
		{"a.>", "a.b.c", true},
		{"a.>", "a.*", true},
		{"a.>", "a.>", true},
		{"a.>", "a", false},
		{">", "a.>", true},
		{"*", ">", false},
	} {
		if got := covers(tt.pattern, tt.want); got != tt.covers {
			t.Errorf("covers(%q, %q) = %v", tt.pattern, tt.want, got)
		}
	}
}

func TestResolveSubjects(t *testing.T) {
	request := func(symbol, user string) *abi.Request {
		return &abi.Request{
			Params: map[string]string{"symbol": symbol}, Query: map[string][]string{"user": {user}},
			Principal: &abi.Principal{Subject: "ann", Claims: map[string]any{"team": "red"}},
		}
	}
	templates := []string{"quotes.{symbol}", "inbox.{query.user}", "teams.{claims.team}.{claims.sub}"}
	got, err := resolveSubjects(templates, request("AAPL", "bob"))
	if want := []string{"inbox.bob", "quotes.AAPL", "teams.red.ann"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("resolveSubjects = %q, %v, want %q", got, err, want)
	}
	for _, value := range []string{"", "a.b", "*", ">", "a b", "a\tb", "a\u00a0b", "a\x00", "a/b", "\xff"} {
		if got, err := resolveSubjects(templates, request(value, "bob")); err == nil {
			t.Errorf("the value %q gives the subjects %q, want an error", value, got)
		} else if p := problemOf(err); p.Status != 400 {
			t.Errorf("the value %q is a %d, want 400", value, p.Status)
		}
	}
	twice := request("AAPL", "bob")
	twice.Query["user"] = []string{"bob", "eve"}
	if got, err := resolveSubjects(templates, twice); err == nil {
		t.Errorf("a query value given twice gives the subjects %q, want an error", got)
	}
}

func FuzzResolveSubjects(f *testing.F) {
	f.Add("AAPL")
	f.Add("a.>")
	f.Fuzz(func(t *testing.T, value string) {
		got, err := resolveSubjects([]string{"quotes.{symbol}"}, &abi.Request{Params: map[string]string{"symbol": value}})
		if err != nil {
			return
		}
		if err := broker.ValidSubject(got[0]); err != nil {
			t.Errorf("the value %q gives %q, which is no literal subject: %v", value, got[0], err)
		}
		if !broker.SubjectMatches("quotes.*", got[0]) {
			t.Errorf("the value %q widens the subscription to %q", value, got[0])
		}
	})
}

func TestCheckSubject(t *testing.T) {
	for _, tt := range []struct {
		template string
		right    bool
	}{
		{"a.{symbol}", true},
		{"a.b-{symbol}.>", true},
		{"a.{query.x}", true},
		{"a.{claims.sub}", true},
		{"a.{other}", false},
		{"a.{query.}", false},
		{"a.{env.HOME}", false},
		{"a.{symbol", false},
		{"a.symbol}", false},
		{"a.{sym{bol}}", false},
		{"a..b", false},
		{"", false},
	} {
		if problem := checkSubject(tt.template, []string{"symbol"}); (problem == "") != tt.right {
			t.Errorf("checkSubject(%q) = %q", tt.template, problem)
		}
	}
}

func TestCheckPath(t *testing.T) {
	for _, tt := range []struct {
		path   string
		params []string
		right  bool
	}{
		{"/", nil, true},
		{"/quotes/:symbol", []string{"symbol"}, true},
		{"/files/*", []string{"*"}, true},
		{"/a/:b/c/:d", []string{"b", "d"}, true},
		{"quotes", nil, false},
		{"/a//b", nil, false},
		{"/a/", nil, false},
		{"/a/:", nil, false},
		{"/a/:b/:b", nil, false},
		{"/a/*/b", nil, false},
		{"/a/x*", nil, false},
		{"/a/..", nil, false},
		{"/_runs/x", nil, false},
		{"/a?b", nil, false},
		{"/a b", nil, false},
	} {
		params, problem := checkPath(tt.path)
		if (problem == "") != tt.right || tt.right && !slices.Equal(params, tt.params) {
			t.Errorf("checkPath(%q) = %q, %q", tt.path, params, problem)
		}
	}
}
