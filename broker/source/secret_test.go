package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

const value = "s3cret-value"

// keyed is a request that gives its secret to the remote.
func keyed(url string) source.Request {
	return source.Request{URL: url, SSE: true, Headers: map[string]string{"X-Key": "{{secret.key}}"}}
}

func TestARemoteCannotTellASecretToThePlugin(t *testing.T) {
	server, client := loopback(t, func(_ int, r sourcetest.Request) sourcetest.Reply {
		key := r.Header.Get("X-Key")
		switch r.URL {
		case "/moved":
			return moved(302, "/there?key="+key)
		case "/refused":
			return sourcetest.Reply{Status: 403, Header: map[string]string{"X-Echo": "key " + key, "Content-Type": "text/plain"}, Body: []byte(key)}
		}
		return sourcetest.Reply{Header: map[string]string{"X-Echo": "key " + key}, Body: body(one)}
	})
	s, err := client.Connect(t.Context(), keyed(server.URL+"/moved"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := s.Response()
	if got.Headers["X-Echo"] != "key {{secret.key}}" || got.URL != server.URL+"/there?key={{secret.key}}" {
		t.Errorf("response %+v", got)
	}
	if e, err := s.Next(); err != nil || strings.Contains(e.Subject, value) {
		t.Errorf("event from %s, %v", e.Subject, err)
	}
	_, err = client.Connect(t.Context(), keyed(server.URL+"/refused"))
	var status *source.StatusError
	if !errors.As(err, &status) || status.Headers["X-Echo"] != "key {{secret.key}}" || status.Body != "{{secret.key}}" {
		t.Errorf("refused: %+v", err)
	}
}

func TestErrorsTellNoSecret(t *testing.T) {
	for name, reply := range map[string]func(key string) sourcetest.Reply{
		"a host":   func(key string) sourcetest.Reply { return moved(302, "http://"+key+".example/") },
		"a scheme": func(key string) sourcetest.Reply { return moved(302, key+"://x/") },
		"no URL":   func(key string) sourcetest.Reply { return moved(302, "http://[::1/"+key) },
		"escaped":  func(key string) sourcetest.Reply { return moved(302, "http://%zz/"+key) },
		"an encoding": func(key string) sourcetest.Reply {
			return sourcetest.Reply{Header: map[string]string{"Content-Encoding": key}}
		},
	} {
		server := sourcetest.NewServer(sourcetest.New(func(_ int, r sourcetest.Request) sourcetest.Reply { return reply(r.Header.Get("X-Key")) }))
		client := source.NewClient(source.ClientConfig{
			AllowPrivate: true, Secrets: secrets, Hosts: func(h string) bool { return h == "127.0.0.1" },
		})
		_, err := client.Connect(t.Context(), keyed(server.URL))
		if err == nil || strings.Contains(err.Error(), value) || !strings.Contains(err.Error(), "{{secret.key}}") {
			t.Errorf("%s: %v", name, err)
		}
		client.Close()
		server.Close()
	}
}

func TestOfTwoSecretsTheLongerIsHiddenWhole(t *testing.T) {
	server := sourcetest.NewServer(sourcetest.New(func(_ int, r sourcetest.Request) sourcetest.Reply {
		return sourcetest.Reply{Header: map[string]string{"X-Echo": r.Header.Get("X-Two")}}
	}))
	defer server.Close()
	client := source.NewClient(source.ClientConfig{AllowPrivate: true, Secrets: func(_ context.Context, name, _ string) (string, error) {
		return map[string]string{"short": "abc", "long": "abc def"}[name], nil
	}})
	defer client.Close()
	for range 10 { // headers are filled in in any order
		s, err := client.Connect(t.Context(), source.Request{URL: server.URL, SSE: true, Headers: map[string]string{
			"X-One": "{{secret.short}}", "X-Two": "{{secret.long}}", "X-Three": "{{secret.short}}",
		}})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Response().Headers["X-Echo"]; got != "{{secret.long}}" {
			t.Fatalf("the plugin sees %q", got)
		}
		s.Close()
	}
}

func TestASecretIsKnownAsAURLWritesIt(t *testing.T) {
	const odd = "a b/c+d"
	server := sourcetest.NewServer(sourcetest.New(func(_ int, r sourcetest.Request) sourcetest.Reply {
		if r.URL != "/" {
			return sourcetest.Reply{Body: body(one)}
		}
		return moved(302, "/"+url.PathEscape(odd)+"?"+url.QueryEscape(odd))
	}))
	defer server.Close()
	client := source.NewClient(source.ClientConfig{AllowPrivate: true, Secrets: func(context.Context, string, string) (string, error) { return odd, nil }})
	defer client.Close()
	s, err := client.Connect(t.Context(), keyed(server.URL+"/"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Response().URL; got != server.URL+"/{{secret.key}}?{{secret.key}}" {
		t.Errorf("the plugin sees %s", got)
	}
}

func TestASecretIsAskedForWithItsHost(t *testing.T) {
	server, _ := loopback(t, nil)
	client := source.NewClient(source.ClientConfig{AllowPrivate: true, Secrets: func(_ context.Context, _, host string) (string, error) {
		if host != "127.0.0.1" {
			return "", fmt.Errorf("not for %s: %w", host, abi.Denied)
		}
		return value, nil
	}})
	defer client.Close()
	if _, err := read(t, client, keyed(server.URL+"/plain")); err != io.EOF {
		t.Fatal(err)
	}
	elsewhere := strings.Replace(server.URL, "127.0.0.1", "LocalHost.", 1)
	if _, err := read(t, client, keyed(elsewhere)); !errors.Is(err, abi.Denied) || !strings.Contains(err.Error(), "localhost") {
		t.Errorf("elsewhere: %v", err)
	}
	if n := len(server.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}
