package sources

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/source/sourcetest"
	"github.com/millrace/millrace/tests/program"
)

// quickly comes back at once after a lost connection.
var quickly = map[string]any{"initial": 10, "max": 50}

// dataOf is the data of the events 1 to n, and of the end mark behind them.
func dataOf(n int) (data []string) {
	for _, e := range sourcetest.Plain(n) {
		data = append(data, e.Data)
	}
	return append(data, endMark)
}

// checkData holds history against what was sent.
func checkData(t *testing.T, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	n := 0
	for n < min(len(got), len(want)) && got[n] == want[n] {
		n++
	}
	t.Errorf("history has %d events, sent were %d; from the %d-th on it has %.200q, sent were %.200q",
		len(got), len(want), n+1, got[n:min(n+5, len(got))], want[n:min(n+5, len(want))])
}

// killWhileItFlows kills the server n times, each time once the source has stored more, at a random
// moment within a tenth of a second.
func killWhileItFlows(t *testing.T, s *program.Server, source string, n int) {
	t.Helper()
	for range n {
		if st := awaitStatus(t, s, source, func(st status) bool { return st.Stored > 0 || ended(st) }); ended(st) {
			t.Fatalf("the source came to its end before the server was killed %d times: %+v", n, st)
		}
		time.Sleep(rand.N(100 * time.Millisecond)) // any moment is one to be killed at
		s.Kill()
		s.Restart()
	}
}

// TestEachEventIsStoredOnce: the server is killed while a source pulls events from a remote that
// honours Last-Event-ID. In the end history has each event once, in order.
func TestEachEventIsStoredOnce(t *testing.T) {
	kills := times(100)
	n := perConnection * (kills + 2) // some are left after each kill
	s, r := startAcme(t), startRemote(t)
	s.Put("/v1/tenants/acme/sources/feed", map[string]any{
		"url": fmt.Sprintf("%s/resuming?n=%d", r.url, n), "subject": "feed", "retry": quickly,
	})
	killWhileItFlows(t, s, "feed", kills)
	r.hurry()
	s.Kill()
	s.Restart()
	if st := awaitStatus(t, s, "feed", ended); st.State != "done" {
		t.Errorf("the source ends as %+v", st)
	}
	checkData(t, history(t, s, "feed"), dataOf(n))
	t.Logf("%d events, %d kills, %d connections", n, kills+1, len(r.requests()))
}

// TestEqualEventsAreStoredOnceIfAskedFor: the remote begins with the first event each time.
func TestEqualEventsAreStoredOnceIfAskedFor(t *testing.T) {
	const n = 2000
	s, r := startAcme(t), startRemote(t)
	s.Put("/v1/tenants/acme/sources/feed", map[string]any{
		"url": fmt.Sprintf("%s/forgetful?n=%d", r.url, n), "subject": "feed", "retry": quickly, "dedupe": true,
	})
	for range times(30) {
		awaitStatus(t, s, "feed", func(st status) bool { return st.State == "open" || ended(st) })
		time.Sleep(rand.N(100 * time.Millisecond)) // any moment is one to be killed at
		s.Kill()
		s.Restart()
	}
	r.hurry()
	s.Kill()
	s.Restart()
	awaitStatus(t, s, "feed", ended)
	checkData(t, history(t, s, "feed"), dataOf(n))
}

// TestAPostIsSentOnce: the server is killed at some moment after it was told to send a POST. Once it
// was sent it is not sent again, whatever became of the answer.
func TestAPostIsSentOnce(t *testing.T) {
	s, r := startAcme(t), startRemote(t)
	const each = 10 // sources, with 1,000 events each
	for round := range times(30) {
		name := func(i int) string { return fmt.Sprintf("ask-%d-%d", round, i) }
		for i := range each {
			s.Put("/v1/tenants/acme/sources/"+name(i), map[string]any{
				"url": fmt.Sprintf("%s/%s?n=%d", r.url, name(i), 1000), "subject": name(i), "retry": quickly,
				"method": http.MethodPost, "body": map[string]any{"question": i},
			})
		}
		time.Sleep(rand.N(50 * time.Millisecond)) // any moment is one to be killed at
		s.Kill()
		s.Restart()
		for i := range each {
			st := awaitStatus(t, s, name(i), ended)
			got := history(t, s, name(i))
			want := dataOf(each * 100)
			if st.State != "done" {
				want = want[:min(len(got), len(want))] // as far as it came
			}
			checkData(t, got, want)
			s.Must(http.MethodDelete, "/v1/tenants/acme/sources/"+name(i), nil)
		}
	}
	sent := map[string]int{}
	for _, request := range r.requests() {
		if sent[request.URL]++; request.Method != http.MethodPost || sent[request.URL] > 1 {
			t.Errorf("%s %s was sent %d times", request.Method, request.URL, sent[request.URL])
		}
	}
	t.Logf("%d of %d requests were sent", len(sent), each*times(30))
}
