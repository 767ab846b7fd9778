package web_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/web"
)

// wasmWith is a module with one import and the given exports of functions () -> i32.
func wasmWith(module, name string, memory bool, exports ...string) []byte {
	str := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	section := func(id byte, body ...byte) []byte { return append([]byte{id, byte(len(body))}, body...) }
	b := []byte("\x00asm\x01\x00\x00\x00")
	b = append(b, section(1, 1, 0x60, 0, 1, 0x7f)...) // one type: () -> i32
	imported := byte(0)
	if module != "" {
		body := append([]byte{1}, str(module)...)
		body = append(append(body, str(name)...), 0, 0)
		b, imported = append(b, section(2, body...)...), 1
	}
	b = append(b, section(3, 1, 0)...)
	if memory {
		b = append(b, section(5, 1, 0, 1)...)
	}
	body := []byte{byte(len(exports))}
	if memory {
		body[0]++
		body = append(append(body, str("memory")...), 2, 0)
	}
	for _, e := range exports {
		body = append(append(body, str(e)...), 0, imported)
	}
	b = append(b, section(7, body...)...)
	return append(b, section(10, 1, 4, 0, 0x41, 0, 0x0b)...)
}

func TestBadInput(t *testing.T) {
	const v1 = "/v1/tenants/acme"
	n := startNode(t, web.Config{})
	n.must("PUT", v1, map[string]any{"outbound": []string{"*.example.com", "example.com"}}, nil)
	n.must("PUT", "/v1/tenants/other", nil, nil)
	n.must("PUT", "/v1/tenants/acme/plugins/good", wasmWith("", "", true, "onStream"), nil)
	n.must("PUT", "/v1/tenants/acme/plugins/chunks", wasmWith("", "", true, "onChunk"), nil)
	n.must("PUT", "/v1/tenants/acme/plugins/mapper", wasmWith("", "", true, "onEvent"), nil)
	n.route("acme", "taken", "/taken/:x", map[string]any{"plugin": "good"})
	n.route("acme", "tail", "/tail", map[string]any{"subjects": []string{"a"}})
	n.must("PUT", v1+"/secrets/key", "value", nil)
	_, foreign := n.token("other", nil, "admin")
	_, deploy := n.token("acme", nil, "deploy")
	_, publish := n.token("acme", []string{"a.>"}, "publish")
	type doc = map[string]any
	route := func(more doc) doc {
		d := doc{"path": "/x", "subjects": []string{"a"}}
		maps.Copy(d, more)
		return d
	}
	source := func(more doc) doc {
		d := doc{"url": "https://example.com/feed", "subject": "a"}
		maps.Copy(d, more)
		return d
	}
	big := strings.Repeat("x", abi.MaxSendBytes+1)
	for _, tt := range []struct {
		name         string
		method, path string
		token        string // "" is the operator's, "-" is none
		body         any
		status       int
		location     string // that the document names, if not ""
	}{
		{"tenant: no token", "PUT", v1, "-", nil, 401, ""},
		{"tenant: not the operator's token", "PUT", v1, foreign, nil, 401, ""},
		{"tenant: a tenant's token", "PUT", v1, deploy, nil, 403, ""},
		{"tenant: bad name", "PUT", "/v1/tenants/Not_A_Name", "", nil, 422, "path.tenant"},
		{"tenant: name that begins with -", "PUT", "/v1/tenants/-a", "", nil, 422, "path.tenant"},
		{"tenant: name of 64 characters", "PUT", "/v1/tenants/" + strings.Repeat("a", 64), "", nil, 422, "path.tenant"},
		{"tenant: unknown field", "PUT", v1, "", doc{"colour": "red"}, 422, "body.colour"},
		{"tenant: unknown field inside", "PUT", v1, "", doc{"quotas": doc{"colour": 1}}, 422, "body.quotas.colour"},
		{"tenant: a field in another letter case", "PUT", v1, "", doc{"Hosts": []string{}}, 422, "body.Hosts"},
		{"tenant: wrong type", "PUT", v1, "", doc{"hosts": "acme.example.com"}, 422, "body.hosts"},
		{"tenant: not a host name", "PUT", v1, "", doc{"hosts": []string{"a b"}}, 422, "body.hosts"},
		{"tenant: an address as host", "PUT", v1, "", doc{"hosts": []string{"127.0.0.1"}}, 422, "body.hosts"},
		{"tenant: a host without a domain", "PUT", v1, "", doc{"hosts": []string{"localhost"}}, 422, "body.hosts"},
		{"tenant: history that no disk holds", "PUT", v1, "", doc{"quotas": doc{"historyBytes": int64(1) << 62}}, 422, "body.quotas.historyBytes"},
		{"tenant: negative quota", "PUT", v1, "", doc{"quotas": doc{"historyBytes": -1}}, 422, "body.quotas.historyBytes"},
		{"tenant: not a duration", "PUT", v1, "", doc{"quotas": doc{"historyAge": "long"}}, 422, "body.quotas.historyAge"},
		{"tenant: not JSON", "PUT", v1, "", "{", 400, ""},
		{"tenant: a list", "PUT", v1, "", "[]", 422, "body"},
		{"tenant: an oversized body", "PUT", v1, "", `{"hosts": ["` + big + `"]}`, 413, ""},
		{"tenant: none of this name", "GET", "/v1/tenants/nobody", "", nil, 404, ""},
		{"tenant: none of this name, with a token", "GET", "/v1/tenants/nobody", deploy, nil, 401, ""},
		{"tenant: delete none", "DELETE", "/v1/tenants/nobody", "", nil, 404, ""},
		{"tenants: a tenant's token", "GET", "/v1/tenants", deploy, nil, 401, ""},

		{"token: no body", "POST", v1 + "/tokens", "", nil, 400, ""},
		{"token: without a name", "POST", v1 + "/tokens", "", doc{"scopes": []string{"admin"}}, 422, ""},
		{"token: without scopes", "POST", v1 + "/tokens", "", doc{"name": "x", "scopes": []string{}}, 422, "body.scopes"},
		{"token: unknown scope", "POST", v1 + "/tokens", "", doc{"name": "x", "scopes": []string{"root"}}, 422, "body.scopes[0]"},
		{"token: not a subject", "POST", v1 + "/tokens", "", doc{"name": "x", "scopes": []string{"publish"}, "subjects": []string{"a..b"}}, 422, "body.subjects"},
		{"token: not a duration", "POST", v1 + "/tokens", "", doc{"name": "x", "scopes": []string{"publish"}, "ttl": "soon"}, 422, "body.ttl"},
		{"token: past duration", "POST", v1 + "/tokens", "", doc{"name": "x", "scopes": []string{"publish"}, "ttl": "-1h"}, 422, "body.ttl"},
		{"token: the operator's name", "POST", v1 + "/tokens", "", doc{"name": "operator", "scopes": []string{"publish"}}, 422, "body.name"},
		{"token: unknown field", "POST", v1 + "/tokens", "", doc{"name": "x", "scopes": []string{"publish"}, "colour": 1}, 422, "body.colour"},
		{"token: without the scope admin", "POST", v1 + "/tokens", deploy, doc{"name": "x", "scopes": []string{"admin"}}, 403, ""},
		{"token: revoke none", "DELETE", v1 + "/tokens/none", "", nil, 404, ""},

		{"plugin: not wasm", "PUT", v1 + "/plugins/p", "", []byte("#!/bin/sh"), 422, "body"},
		{"plugin: nothing", "PUT", v1 + "/plugins/p", "", []byte{}, 400, ""},
		{"plugin: cut off", "PUT", v1 + "/plugins/p", "", wasmWith("", "", true, "onStream")[:30], 422, "body"},
		{"plugin: unknown import", "PUT", v1 + "/plugins/p", "", wasmWith("millrace_v1", "launch", true, "onStream"), 422, "body"},
		{"plugin: import of an unknown module", "PUT", v1 + "/plugins/p", "", wasmWith("env", "close", true, "onStream"), 422, "body"},
		{"plugin: import of another signature", "PUT", v1 + "/plugins/p", "", wasmWith("millrace_v1", "send", true, "onStream"), 422, "body"},
		{"plugin: without a callback", "PUT", v1 + "/plugins/p", "", wasmWith("", "", true, "main"), 422, "body"},
		{"plugin: without memory", "PUT", v1 + "/plugins/p", "", wasmWith("", "", false, "onStream"), 422, "body"},
		{"plugin: over the size limit", "PUT", v1 + "/plugins/p", "", append([]byte("\x00asm"), make([]byte, abi.MaxModuleBytes)...), 413, ""},
		{"plugin: bad name", "PUT", v1 + "/plugins/A.B", "", wasmWith("", "", true, "onStream"), 422, "path.plugin"},
		{"plugin: foreign token", "PUT", v1 + "/plugins/p", foreign, wasmWith("", "", true, "onStream"), 401, ""},
		{"plugin: without the scope deploy", "PUT", v1 + "/plugins/p", publish, wasmWith("", "", true, "onStream"), 403, ""},
		{"plugin: none of this name", "GET", v1 + "/plugins/none", "", nil, 404, ""},
		{"plugin: delete none", "DELETE", v1 + "/plugins/none", "", nil, 404, ""},
		{"plugin: delete one in use", "DELETE", v1 + "/plugins/good", "", nil, 409, ""},
		{"plugin: log of none", "GET", v1 + "/plugins/none/logs", "", nil, 404, ""},
		{"plugin: log without a token", "GET", v1 + "/plugins/good/logs", "-", nil, 401, ""},

		{"route: no body", "PUT", v1 + "/routes/r", "", nil, 400, ""},
		{"route: bad name", "PUT", v1 + "/routes/R", "", route(nil), 422, "path.route"},
		{"route: without a path", "PUT", v1 + "/routes/r", "", doc{"subjects": []string{"a"}}, 422, ""},
		{"route: a path without /", "PUT", v1 + "/routes/r", "", route(doc{"path": "x"}), 422, "body.path"},
		{"route: a path that is kept", "PUT", v1 + "/routes/r", "", route(doc{"path": "/_runs/x"}), 422, "body.path"},
		{"route: a path that is taken", "PUT", v1 + "/routes/r", "", route(doc{"path": "/taken/:y"}), 409, "body.path"},
		{"route: unknown method", "PUT", v1 + "/routes/r", "", route(doc{"methods": []string{"BREW"}}), 422, "body.methods"},
		{"route: unknown field", "PUT", v1 + "/routes/r", "", route(doc{"keepAlive": 1}), 422, "body.keepAlive"},
		{"route: wrong type", "PUT", v1 + "/routes/r", "", route(doc{"async": "yes"}), 422, "body.async"},
		{"route: negative time", "PUT", v1 + "/routes/r", "", route(doc{"retry": -1}), 422, "body.retry"},
		{"route: time past all bounds", "PUT", v1 + "/routes/r", "", route(doc{"timeout": int64(1) << 60}), 422, "body.timeout"},
		{"route: time that is no number", "PUT", v1 + "/routes/r", "", route(doc{"timeout": "1s"}), 422, "body.timeout"},
		{"route: unknown scope", "PUT", v1 + "/routes/r", "", route(doc{"scope": "world"}), 422, "body.scope"},
		{"route: unknown onError", "PUT", v1 + "/routes/r", "", route(doc{"onError": "retry"}), 422, "body.onError"},
		{"route: unknown access", "PUT", v1 + "/routes/r", "", route(doc{"access": "secret"}), 422, "body.access"},
		{"route: not an origin", "PUT", v1 + "/routes/r", "", route(doc{"cors": "app.example.com"}), 422, "body.cors"},
		{"route: an origin with a line break", "PUT", v1 + "/routes/r", "", route(doc{"cors": "https://a.example.com\r\nX: y"}), 422, "body.cors"},
		{"route: not a subject", "PUT", v1 + "/routes/r", "", route(doc{"subjects": []string{"a b"}}), 422, "body.subjects"},
		{"route: subject of an unknown parameter", "PUT", v1 + "/routes/r", "", route(doc{"subjects": []string{"a.{x}"}}), 422, "body.subjects"},
		{"route: tail without subjects", "PUT", v1 + "/routes/r", "", route(doc{"subjects": []string{}}), 422, "body.subjects"},
		{"route: event callback without subjects", "PUT", v1 + "/routes/r", "", route(doc{"plugin": "mapper", "subjects": []string{}}), 422, "body.subjects"},
		{"route: unknown plugin", "PUT", v1 + "/routes/r", "", route(doc{"plugin": "none"}), 422, "body.plugin"},
		{"route: unknown version", "PUT", v1 + "/routes/r", "", route(doc{"plugin": "good@9"}), 422, "body.plugin"},
		{"route: plugin without a callback for routes", "PUT", v1 + "/routes/r", "", route(doc{"plugin": "chunks"}), 422, "body.plugin"},
		{"route: none of this name", "GET", v1 + "/routes/none", "", nil, 404, ""},
		{"route: revisions of none", "GET", v1 + "/routes/none/revisions", "", nil, 404, ""},
		{"route: delete none", "DELETE", v1 + "/routes/none", "", nil, 404, ""},
		{"route: roll back none", "POST", v1 + "/routes/none/rollback", "", nil, 404, ""},
		{"route: roll back to before the first", "POST", v1 + "/routes/tail/rollback", "", nil, 404, ""},
		{"route: roll back to an unknown revision", "POST", v1 + "/routes/tail/rollback", "", doc{"to": 99}, 404, ""},
		{"route: roll back to a word", "POST", v1 + "/routes/tail/rollback", "", doc{"to": "first"}, 422, "body.to"},
		{"callback: not wasm", "PUT", v1 + "/routes/new/callback", "", []byte("x"), 422, "body"},
		{"callback: bad name", "PUT", v1 + "/routes/N/callback", "", wasmWith("", "", true, "onStream"), 422, "path.route"},
		{"callback: without a callback for routes", "PUT", v1 + "/routes/new/callback", "", wasmWith("", "", true, "onError"), 422, "body.plugin"},
		{"callback: no token", "PUT", v1 + "/routes/new/callback", "-", wasmWith("", "", true, "onStream"), 401, ""},

		{"tenant: outbound with a scheme", "PUT", v1, "", doc{"outbound": []string{"https://example.com"}}, 422, "body.outbound"},
		{"tenant: outbound with a port", "PUT", v1, "", doc{"outbound": []string{"example.com:443"}}, 422, "body.outbound"},
		{"tenant: outbound with a star inside", "PUT", v1, "", doc{"outbound": []string{"api.*.com"}}, 422, "body.outbound"},
		{"tenant: outbound that is no list", "PUT", v1, "", doc{"outbound": "*"}, 422, "body.outbound"},

		{"source: no body", "PUT", v1 + "/sources/s", "", nil, 400, ""},
		{"source: no token", "PUT", v1 + "/sources/s", "-", source(nil), 401, ""},
		{"source: foreign token", "PUT", v1 + "/sources/s", foreign, source(nil), 401, ""},
		{"source: without the scope deploy", "PUT", v1 + "/sources/s", publish, source(nil), 403, ""},
		{"source: bad name", "PUT", v1 + "/sources/S", "", source(nil), 422, "path.source"},
		{"source: without a URL", "PUT", v1 + "/sources/s", "", doc{"subject": "a"}, 422, "body"},
		{"source: without a subject", "PUT", v1 + "/sources/s", "", doc{"url": "https://example.com/"}, 422, "body"},
		{"source: unknown field", "PUT", v1 + "/sources/s", "", source(doc{"colour": "red"}), 422, "body.colour"},
		{"source: unknown field inside", "PUT", v1 + "/sources/s", "", source(doc{"retry": doc{"colour": 1}}), 422, "body.retry.colour"},
		{"source: wrong type", "PUT", v1 + "/sources/s", "", source(doc{"sse": "yes"}), 422, "body.sse"},
		{"source: not a URL", "PUT", v1 + "/sources/s", "", source(doc{"url": "://"}), 422, "body.url"},
		{"source: another scheme", "PUT", v1 + "/sources/s", "", source(doc{"url": "file:///etc/passwd"}), 422, "body.url"},
		{"source: credentials in the URL", "PUT", v1 + "/sources/s", "", source(doc{"url": "https://me:secret@example.com/"}), 422, "body.url"},
		{"source: a host that is not on the list", "PUT", v1 + "/sources/s", "", source(doc{"url": "https://example.org/"}), 422, "body.url"},
		{"source: a host that ends like one on the list", "PUT", v1 + "/sources/s", "", source(doc{"url": "https://evil-example.com/"}), 422, "body.url"},
		{"source: unknown method", "PUT", v1 + "/sources/s", "", source(doc{"method": "DELETE"}), 422, "body.method"},
		{"source: GET with a body", "PUT", v1 + "/sources/s", "", source(doc{"body": doc{"a": 1}}), 422, "body.body"},
		{"source: a header with a line break", "PUT", v1 + "/sources/s", "", source(doc{"headers": doc{"X-A": "a\r\nX-B: b"}}), 422, "body.headers.X-A"},
		{"source: a header that is the client's", "PUT", v1 + "/sources/s", "", source(doc{"headers": doc{"Host": "internal"}}), 422, "body.headers.Host"},
		{"source: a secret that is cut off", "PUT", v1 + "/sources/s", "", source(doc{"headers": doc{"X-A": "{{secret.key"}}), 422, "body.headers.X-A"},
		{"source: a secret that is not there", "PUT", v1 + "/sources/s", "", source(doc{"headers": doc{"X-A": "{{secret.none}}"}}), 422, "body.headers.X-A"},
		{"source: not a subject", "PUT", v1 + "/sources/s", "", source(doc{"subject": "a b"}), 422, "body.subject"},
		{"source: a wildcard", "PUT", v1 + "/sources/s", "", source(doc{"subject": "a.>"}), 422, "body.subject"},
		{"source: a subject of the server's", "PUT", v1 + "/sources/s", "", source(doc{"subject": "_source.s"}), 422, "body.subject"},
		{"source: unknown onDone", "PUT", v1 + "/sources/s", "", source(doc{"onDone": "repeat"}), 422, "body.onDone"},
		{"source: unknown onError", "PUT", v1 + "/sources/s", "", source(doc{"onError": "retry"}), 422, "body.onError"},
		{"source: a POST that restarts", "PUT", v1 + "/sources/s", "", source(doc{"method": "POST", "onDone": "restart"}), 422, "body.onDone"},
		{"source: negative time", "PUT", v1 + "/sources/s", "", source(doc{"idleTimeout": -1}), 422, "body.idleTimeout"},
		{"source: time past all bounds", "PUT", v1 + "/sources/s", "", source(doc{"connectTimeout": int64(1) << 60}), 422, "body.connectTimeout"},
		{"source: events over the limit", "PUT", v1 + "/sources/s", "", source(doc{"maxEventBytes": 2 << 20}), 422, "body.maxEventBytes"},
		{"source: jitter over 1", "PUT", v1 + "/sources/s", "", source(doc{"retry": doc{"jitter": 2}}), 422, "body.retry.jitter"},
		{"source: an id with a line break", "PUT", v1 + "/sources/s", "", source(doc{"lastEventId": "a\nb"}), 422, "body.lastEventId"},
		{"source: unknown plugin", "PUT", v1 + "/sources/s", "", source(doc{"plugin": "none"}), 422, "body.plugin"},
		{"source: plugin without a callback for sources", "PUT", v1 + "/sources/s", "", source(doc{"plugin": "good"}), 422, "body.plugin"},
		{"source: none of this name", "GET", v1 + "/sources/none", "", nil, 404, ""},
		{"source: delete none", "DELETE", v1 + "/sources/none", "", nil, 404, ""},
		{"source: stop none", "POST", v1 + "/sources/none/stop", "", nil, 404, ""},
		{"source: start none", "POST", v1 + "/sources/none/start", "", nil, 404, ""},
		{"source: start a name that is none", "POST", v1 + "/sources/A.B/start", "", nil, 404, ""},
		{"source: log of none", "GET", v1 + "/sources/none/logs", "", nil, 404, ""},
		{"source: log without a token", "GET", v1 + "/sources/none/logs", "-", nil, 401, ""},
		{"source: of no tenant", "PUT", "/v1/tenants/nobody/sources/s", "", source(nil), 404, ""},

		{"secret: nothing", "PUT", v1 + "/secrets/s", "", nil, 400, ""},
		{"secret: bad name", "PUT", v1 + "/secrets/S_1", "", "x", 422, "path.secret"},
		{"secret: two lines", "PUT", v1 + "/secrets/s", "", "a\nb", 422, "body"},
		{"secret: not UTF-8", "PUT", v1 + "/secrets/s", "", []byte{0xff}, 422, "body"},
		{"secret: too big", "PUT", v1 + "/secrets/s", "", big, 413, ""},
		{"secret: without the scope deploy", "PUT", v1 + "/secrets/s", publish, "x", 403, ""},
		{"secret: no token", "GET", v1 + "/secrets", "-", nil, 401, ""},
		{"secret: read one", "GET", v1 + "/secrets/key", "", nil, 405, ""},
		{"secret: delete none", "DELETE", v1 + "/secrets/none", "", nil, 404, ""},

		{"publish: no token", "POST", v1 + "/events/a.b", "-", "x", 401, ""},
		{"publish: foreign token", "POST", v1 + "/events/a.b", foreign, "x", 401, ""},
		{"publish: a subject that is not covered", "POST", v1 + "/events/b", publish, "x", 403, ""},
		{"publish: a wildcard", "POST", v1 + "/events/a.*", "", "x", 422, "subject"},
		{"publish: all", "POST", v1 + "/events/%3E", "", "x", 422, "subject"},
		{"publish: an empty token", "POST", v1 + "/events/a..b", "", "x", 422, "subject"},
		{"publish: white space", "POST", v1 + "/events/a%20b", "", "x", 422, "subject"},
		{"publish: not UTF-8", "POST", v1 + "/events/a", "", []byte{0xff, 0xfe}, 422, "data"},
		{"publish: too big", "POST", v1 + "/events/a", "", big, 413, ""},
		{"publish: event name with a line break", "POST", v1 + "/events/a?event=a%0Ab", "", "x", 422, "event"},
		{"publish: event name of 300 bytes", "POST", v1 + "/events/a?event=" + strings.Repeat("n", 300), "", "x", 422, "event"},
		{"publish: an event name that is the server's", "POST", v1 + "/events/a?event=expired", "", "x", 422, "event"},
		{"publish: no tenant", "POST", "/v1/tenants/nobody/events/a", "", "x", 404, ""},
		{"batch: nothing", "POST", v1 + "/events", "", "\n\n", 422, "body"},
		{"batch: not JSON", "POST", v1 + "/events", "", "{\"subject\": \"a\", \"data\": \"x\"}\nnot json\n", 422, "body[2]."},
		{"batch: unknown field", "POST", v1 + "/events", "", `{"subject": "a", "data": "x", "colour": 1}`, 422, "body[1].colour"},
		{"batch: a field in other letters", "POST", v1 + "/events", "", `{"SUBJECT": "a", "data": "x"}`, 422, "body[1].SUBJECT"},
		{"batch: a field that is no text", "POST", v1 + "/events", "", `{"subject": 1, "data": "x"}`, 422, "body[1].subject"},
		{"batch: not UTF-8", "POST", v1 + "/events", "", "{\"subject\": \"a\", \"data\": \"\xff\"}", 422, "body[1]."},
		{"batch: two documents in a line", "POST", v1 + "/events", "", `{"subject": "a", "data": "x"} {"subject": "a"}`, 422, "body[1]."},
		{"batch: bad subject", "POST", v1 + "/events", "", `{"subject": "a.>", "data": "x"}`, 422, "body[1].subject"},
		{"batch: a subject that is not covered", "POST", v1 + "/events", publish, "{\"subject\": \"a.b\", \"data\": \"x\"}\n{\"subject\": \"b\", \"data\": \"x\"}", 403, ""},
		{"batch: too many lines", "POST", v1 + "/events", "", strings.Repeat("{\"subject\": \"a\", \"data\": \"x\"}\n", 1001), 413, ""},
		{"batch: a line that is too big", "POST", v1 + "/events", "", `{"subject": "a", "data": "` + big + `"}`, 413, "body[1].data"},
		{"tail: no subject", "GET", v1 + "/events", "", nil, 400, "query.subject"},
		{"tail: not a subject", "GET", v1 + "/events?subject=a..b", "", nil, 400, "query.subject"},
		{"tail: not a time", "GET", v1 + "/events?subject=a&since=noon", "", nil, 400, "query.since"},
		{"tail: no token", "GET", v1 + "/events?subject=a", "-", nil, 401, ""},

		{"no such call", "GET", "/v1/nothing", "", nil, 404, ""},
		{"no such method", "PATCH", v1, "", nil, 405, ""},
		{"nothing at the root", "GET", "/", "-", nil, 404, ""},
	} {
		token := tt.token
		switch token {
		case "":
			token = adminToken
		case "-":
			token = ""
		}
		resp, body := n.do(tt.method, tt.path, token, tt.body)
		if resp.StatusCode != tt.status {
			t.Errorf("%s: %d, want %d: %.300s", tt.name, resp.StatusCode, tt.status, body)
			continue
		}
		checkProblem(t, tt.name, resp, body, tt.location)
	}

	// The server goes on, and nothing of all that was stored.
	if got := n.status("GET", "/readyz", "", nil); got != 200 {
		t.Errorf("readyz is a %d after all that", got)
	}
	var routes struct{ Routes []struct{ Name string } }
	n.must("GET", v1+"/routes", nil, &routes)
	if len(routes.Routes) != 2 {
		t.Errorf("routes %+v, want taken and tail only", routes.Routes)
	}
	var sources struct{ Sources []sourceDoc }
	n.must("GET", v1+"/sources", nil, &sources)
	var secrets struct{ Secrets []struct{ Name string } }
	n.must("GET", v1+"/secrets", nil, &secrets)
	if len(sources.Sources) != 0 || len(secrets.Secrets) != 1 {
		t.Errorf("sources %+v and secrets %+v, want key only", sources, secrets)
	}
	v := n.open("/t/acme/tail?earliest")
	n.publish("acme", "a", "the first that was stored")
	v.want("the first that was stored")
}

// checkProblem checks that body is an RFC 9457 document that names location and no inside.
func checkProblem(t *testing.T, name string, resp *http.Response, body []byte, location string) {
	t.Helper()
	var p struct {
		Type, Title, Detail string
		Status              int
		Errors              []map[string]any
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("%s: content type %q", name, ct)
	}
	if err := json.Unmarshal(body, &p); err != nil || p.Status != resp.StatusCode || p.Title == "" || p.Detail == "" || p.Type == "" {
		t.Errorf("%s: %s is no whole problem document (%v)", name, body, err)
	}
	if location != "" && !slices.ContainsFunc(p.Errors, func(e map[string]any) bool { return e["location"] == location }) {
		t.Errorf("%s: %s names no location %q", name, body, location)
	}
	for _, e := range p.Errors {
		if _, has := e["value"]; has {
			t.Errorf("%s: %s echoes a value", name, body)
		}
	}
}

func TestATenantsRegistryIsBounded(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	status := 0
	for i := 0; i <= 1000; i++ {
		status = n.status("POST", "/v1/tenants/acme/tokens", adminToken, map[string]any{"name": "x", "scopes": []string{"publish"}})
		if want := 201; i < 1000 && status != want {
			t.Fatalf("token %d is a %d", i, status)
		}
	}
	if status != 409 {
		t.Errorf("token 1,001 is a %d, want 409", status)
	}
}

// TestNoCallIsServedToStrangers: one that is added later without a check fails here.
func TestNoCallIsServedToStrangers(t *testing.T) {
	n := startNode(t, web.Config{})
	n.must("PUT", "/v1/tenants/acme", nil, nil)
	n.must("PUT", "/v1/tenants/other", nil, nil)
	_, foreign := n.token("other", nil, "admin")
	_, powerless := n.token("acme", []string{"none"}, "subscribe")
	calls := n.web.Calls()
	if len(calls) < 30 {
		t.Fatalf("%d calls are served", len(calls))
	}
	for _, call := range calls {
		method, path, _ := strings.Cut(call, " ")
		path = strings.Replace(path, "{tenant}", "acme", 1)
		for strings.Contains(path, "{") {
			path = path[:strings.Index(path, "{")] + "x" + path[strings.Index(path, "}")+1:]
		}
		for _, who := range []struct {
			name, token string
			status      int
		}{{"nobody", "", 401}, {"who made a token up", "made-up", 401}, {"another tenant", foreign, 401}, {"who may only read elsewhere", powerless, 403}} {
			want := who.status
			if path == "/v1/tenants" || strings.HasPrefix(path, "/v1/nodes") {
				want = 401 // no tenant's call: a tenant's token is nobody's there
			}
			resp, body := n.do(method, path+"?subject=a", who.token, nil) // the one call that reads its query first
			if resp.StatusCode != want {
				t.Errorf("%s for %s: %d, want %d: %.300s", call, who.name, resp.StatusCode, want, body)
				continue
			}
			checkProblem(t, call, resp, body, "")
		}
	}
}

func TestOpenAPIDocumentIsTrue(t *testing.T) {
	n := startNode(t, web.Config{})
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	n.must("GET", "/v1/openapi.json", nil, &doc)
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("openapi %q, want 3.1", doc.OpenAPI)
	}
	var documented []string
	for path, ops := range doc.Paths {
		for method := range ops {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(documented)
	served := n.web.Calls()
	if !slices.Equal(documented, served) {
		t.Errorf("documented %q\nserved %q", documented, served)
	}
}
