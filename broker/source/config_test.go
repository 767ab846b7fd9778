package source_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/millrace/millrace/broker/source"
)

func TestConfigDefaults(t *testing.T) {
	var c source.Config
	if err := json.Unmarshal([]byte(`{"url":"https://a.example/x","subject":"a","body":null,"retry":{"jitter":0}}`), &c); err != nil {
		t.Fatal(err)
	}
	c, err := c.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if c.Method != "GET" || c.Body != nil || c.OnDone != "stop" || c.OnError != "drop" || c.ConnectTimeout != 15_000 || c.MaxEventBytes != 1<<20 ||
		c.Retry.Initial != 1000 || c.Retry.Max != 60_000 || *c.Retry.Jitter != 0 {
		t.Errorf("defaults are %+v", c)
	}
	if c, _ := (source.Config{}).WithDefaults(); *c.Retry.Jitter != 0.5 {
		t.Errorf("jitter is %v", *c.Retry.Jitter)
	}
}

func TestConfigReportsEveryMistake(t *testing.T) {
	var c source.Config
	document := `{"url": "https://user:hunter2@a.example", "method": "GET", "body": {}, "subject": "a..b", "events": [""],
		"lastEventId": "a\u0000", "onDone": "again", "onError": "cry", "connectTimeout": -1, "idleTimeout": -1, "timeout": 86400001,
		"headers": {"Host": "x", "X Y": "1", "X-Z": "a\nb", "X-S": "{{secret.}}"}, "maxEventBytes": 2000000,
		"retry": {"initial": 10, "max": 5, "jitter": 2, "attempts": -1}}`
	if err := json.Unmarshal([]byte(document), &c); err != nil {
		t.Fatal(err)
	}
	_, err := c.WithDefaults()
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{
		"url has", "body does", "subject has", "events has", "lastEventId has", "onDone is", "onError is", "connectTimeout is",
		"idleTimeout is", "timeout is", "headers.Host is", `headers has the name "X Y"`, "headers.X-Z has", "headers.X-S has",
		"maxEventBytes is", "retry.max is", "retry.jitter is", "retry.attempts is",
	} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("nothing says that %s wrong", field)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows the password: %v", err)
	}
}

func TestConfigMistakes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *source.Config)
		want   string
	}{
		{"no url", func(c *source.Config) { c.URL = "" }, "url is empty"},
		{"a url of another kind", func(c *source.Config) { c.URL = "file:///x" }, "url is not"},
		{"a method of another kind", func(c *source.Config) { c.Method = "get" }, "method is none"},
		{"a wildcard", func(c *source.Config) { c.Subject = "a.*" }, "subject has a wildcard"},
		{"another parameter", func(c *source.Config) { c.Subject = "a.{name}" }, "subject has a parameter"},
		{"a subject of the remote's choice", func(c *source.Config) { c.Subject = "{event}" }, "subject begins"},
		{"a header twice", func(c *source.Config) { c.Headers = map[string]string{"X-a": "1", "x-A": "2"} }, "is there twice"},
		{"restarting what is not to be repeated", func(c *source.Config) { c.Method, c.OnDone = "POST", "restart" }, "needs retry.repeatPost"},
		{"a body that is no JSON", func(c *source.Config) { c.Method, c.Body = "POST", []byte("{") }, "body is not JSON"},
	} {
		c := config()
		tt.change(&c)
		if _, err := c.WithDefaults(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestSubject(t *testing.T) {
	for _, tt := range []struct{ name, template, event, want string }{
		{"fixed", "a.b", "x", "a.b"},
		{"by the event's name", "wiki.{event}", "edit", "wiki.edit"},
		{"without a name", "wiki.{event}", "", "wiki.message"},
		{"a name cannot add parts or wildcards", "ai.{event}.x", "response.*.> \n", "ai.response______.x"},
		{"a name is cut between characters", "a.{event}", strings.Repeat("é", 40), "a." + strings.Repeat("é", 32)},
	} {
		if got := source.Subject(tt.template, tt.event); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestBatchBounds(t *testing.T) {
	for _, tt := range []struct {
		name string
		m, n int
		want bool
	}{
		{"as many as fit", 900, 99, true},
		{"one more", 900, 100, false},
		{"none", 999, 0, true},
	} {
		if got := source.Fits(tt.m, tt.n); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
