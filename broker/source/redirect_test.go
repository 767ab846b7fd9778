package source_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

func moved(status int, to string) sourcetest.Reply {
	return sourcetest.Reply{Status: status, Header: map[string]string{"Location": to}}
}

var credentials = map[string]string{
	"Authorization": "Bearer {{secret.key}}", "Cookie": "session=1", "X-Api-Key": "{{secret.key}}", "X-Plain": "also one, perhaps",
}

func TestRedirectToAnotherHostTakesNoCredentialsAlong(t *testing.T) {
	other, client := loopback(t, nil)
	back := ""
	first, _ := loopback(t, func(n int, r sourcetest.Request) sourcetest.Reply {
		if n == 0 {
			return moved(302, back)
		}
		return sourcetest.ByURL(r)
	})
	// The other host has the first one's address too, but another port; it sends the request back.
	back = other.URL + "/plain?redirect=" + first.URL + "/plain"
	got, err := read(t, client, source.Request{URL: first.URL + "/start?key=in-query", Headers: credentials, LastEventID: "7"})
	if err != io.EOF || len(got) != 50 {
		t.Fatalf("%d events, %v", len(got), err)
	}
	for _, r := range []sourcetest.Request{other.Requests()[0], first.Requests()[1]} {
		for name := range credentials {
			if r.Header.Get(name) != "" {
				t.Errorf("%s went along to %s", name, r.URL)
			}
		}
		if r.Header.Get("Referer") != "" || r.LastEventID != "7" {
			t.Errorf("Referer %q, Last-Event-ID %q", r.Header.Get("Referer"), r.LastEventID)
		}
	}
}

func TestRedirectOnTheSameHostKeepsCredentials(t *testing.T) {
	server, client := loopback(t, nil)
	if _, err := read(t, client, source.Request{URL: server.URL + "/plain?redirect=/plain", Headers: credentials}); err != io.EOF {
		t.Fatal(err)
	}
	h := server.Requests()[1].Header
	if h.Get("X-Api-Key") != "s3cret-value" || h.Get("Referer") != "" {
		t.Errorf("X-Api-Key is %q, Referer %q", h.Get("X-Api-Key"), h.Get("Referer"))
	}
}

func TestRedirectsThatAreRefused(t *testing.T) {
	other, _ := loopback(t, nil)
	server, _ := loopback(t, nil)
	client := source.NewClient(source.ClientConfig{AllowPrivate: true, Hosts: func(h string) bool { return h == "127.0.0.1" }})
	defer client.Close()
	for _, tt := range []struct {
		name, path string
		want       error
	}{
		{"to a host that is not allowed", "/?redirect=http://localhost:1/", abi.Denied},
		{"to the metadata of a cloud", "/?redirect=http://169.254.169.254/latest", abi.Denied},
		{"to another scheme", "/?redirect=file:///etc/passwd", abi.Denied},
		{"of the body to another host", "/?redirect=" + other.URL + "/plain", abi.Denied},
		{"round and round", "/?redirect=.%3Fredirect%3D.", nil},
	} {
		_, err := read(t, client, source.Request{URL: server.URL + tt.path, Method: "POST", Body: []byte("x")})
		if err == nil || err == io.EOF || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if n := other.Counts().Connections; n != 0 {
		t.Errorf("the other host got %d requests", n)
	}
}

func TestAddressIsCheckedWhereItIsDialled(t *testing.T) {
	server, _ := loopback(t, nil)
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	strict := source.NewClient(source.ClientConfig{})
	defer strict.Close()
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0x7f.1"} {
		_, err := read(t, strict, source.Request{URL: "http://" + host + port + "/plain"})
		if err == nil || err == io.EOF {
			t.Errorf("%s: was reached", host)
		}
	}
	for _, host := range []string{"127.0.0.1", "localhost"} { // names that surely resolve
		_, err := read(t, strict, source.Request{URL: "http://" + host + port})
		if !errors.Is(err, abi.Denied) || !strings.Contains(err.Error(), "--allow-private-outbound") {
			t.Errorf("%s: %v, want denied, and how to allow it", host, err)
		}
	}
	if n := server.Counts().Connections; n != 0 {
		t.Errorf("the remote got %d requests", n)
	}
}
