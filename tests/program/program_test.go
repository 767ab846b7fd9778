package program_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/millrace/millrace/tests/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

func TestAServerKeepsItsAddressTokenAndDataOverItsEnds(t *testing.T) {
	s := program.Start(t, "--drain", "1s")
	s.Put("/v1/tenants/acme", nil)
	publish := func(data string) {
		t.Helper()
		if _, err := s.Publish(t.Context(), "acme", program.Event{Subject: "news", Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	publish("one")
	s.Kill()
	if _, err := s.Call(t.Context(), http.MethodGet, "/healthz", nil); err == nil {
		t.Error("a killed server answers")
	}
	s.Restart()
	publish("two")
	if status := s.Stop(); status != 0 {
		t.Errorf("the exit status after SIGTERM is %d, want 0", status)
	}
	s.Restart()
	stream := s.Open("/v1/tenants/acme/events?subject=news&last_event_id=earliest")
	for _, want := range []string{"one", "two"} {
		if e := stream.Next(); e.Data != want {
			t.Errorf("event %q, want %q", e.Data, want)
		}
	}
}

func TestPluginsAreBuilt(t *testing.T) {
	if wasm := program.Plugin(t, "basic"); string(wasm[:4]) != "\x00asm" {
		t.Errorf("the module begins with %q", wasm[:4])
	}
}
