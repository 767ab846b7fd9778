package relay

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/program"
)

// checkHistory reads all that a server has on a subject and holds it against what is wanted: these
// events, in this order, and no other.
func checkHistory(t *testing.T, s *program.Server, subject string, want []abi.Event) {
	t.Helper()
	stream := s.Open("/v1/tenants/acme/events?last_event_id=earliest&subject=" + url.QueryEscape(subject))
	defer stream.Close()
	for n, w := range want {
		if e := stream.Next(); e.Name != w.Name || e.Data != w.Data {
			t.Fatalf("%s: event %d of %d is %s %q, want %s %q", subject, n, len(want), e.Name, e.Data, w.Name, w.Data)
		}
	}
	end, err := s.Publish(t.Context(), "acme", program.Event{Subject: subject, Data: "end"})
	if err != nil {
		t.Fatal(err)
	}
	if e := stream.Next(); e.ID != end {
		t.Fatalf("%s: behind the %d events there is %s %q", subject, len(want), e.Name, e.Data)
	}
}

// stop stops a source, so that nothing of it comes later.
func stop(s *program.Server, name string) {
	s.Must(http.MethodPost, "/v1/tenants/acme/sources/"+name+"/stop", nil)
}
