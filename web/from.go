package web

import (
	"net/http"
	"time"

	"github.com/millrace/millrace/broker"
)

// earliest is the id that asks for all that history keeps.
const earliest = "earliest"

// lastEventID is the id that the viewer resumes from, or "". The header comes before the query,
// which an EventSource repeats unchanged at every reconnect.
func lastEventID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	q := r.URL.Query()
	for _, name := range []string{"last_event_id", "lastEventId", "lastEventID"} {
		if id := q.Get(name); id != "" {
			return id
		}
	}
	return ""
}

// startFrom is where the request wants its stream to begin: after an id, at the earliest event kept,
// since a time, or live.
func startFrom(r *http.Request) (broker.From, error) {
	id, q := lastEventID(r), r.URL.Query()
	switch {
	case id == earliest:
		return broker.From{Earliest: true}, nil
	case id != "":
		return broker.From{After: id}, nil
	case q.Has(earliest):
		return broker.From{Earliest: true}, nil
	case q.Has("since"):
		t, err := time.Parse(time.RFC3339Nano, q.Get("since"))
		if err != nil {
			return broker.From{}, fail(http.StatusBadRequest, "since is no RFC 3339 time, such as 2026-11-22T10:00:00Z.").
				at("query.since", "must be an RFC 3339 time")
		}
		// JetStream counts time in nanoseconds from 1970, and nothing is stored outside of that.
		if t.Before(time.Unix(0, 0)) {
			return broker.From{Earliest: true}, nil
		}
		if now := time.Now(); t.After(now) {
			t = now
		}
		return broker.From{Since: t}, nil
	}
	return broker.From{}, nil
}
