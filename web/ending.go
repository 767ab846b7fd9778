package web

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/web/wire"
)

// Why a stream is ended from this side.
var (
	errTimeout = errors.New("the route's time limit passed")
	errExpired = errors.New("the token ended")
	errDeleted = errors.New("the tenant or the route was deleted")
	errDrain   = errors.New("the node drains")
	errApart   = errors.New("the node is without most of the others")
)

// lastWords tell a viewer why its stream ends, where it should know, or when to come back.
func lastWords(why error) []byte {
	switch {
	case errors.Is(why, errExpired):
		return sse.AppendEvent(nil, &abi.Event{Name: "expired", Data: "{}"})
	case away(why), errors.Is(why, errDeleted):
		return sse.AppendRetry(nil, comeBack())
	}
	return nil
}

// comeBack is when a viewer comes back that was ended or turned away together with others: spread,
// so that the other nodes do not get everybody in one moment.
func comeBack() time.Duration { return time.Second + rand.N(4*time.Second) }

// away tells whether a stream ended, or is not opened, since it is to be another node's.
func away(why error) bool {
	return errors.Is(why, errDrain) || errors.Is(why, errApart) || errors.Is(why, wire.ErrDraining)
}

// turnAway answers a stream on a node that takes none. An EventSource gives up for good at an error
// status, and so is told to come back by a stream that ends at once; others get a 503.
func turnAway(w http.ResponseWriter, r *http.Request, why error) error {
	if !strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		return notHere(why)
	}
	writeHead(w)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(sse.AppendRetry(nil, comeBack())) // who has left needs no answer
	return nil
}

// notHere is the 503 of a node that takes no viewers.
func notHere(why error) *problem {
	if errors.Is(why, errApart) {
		return fail(http.StatusServiceUnavailable, "The node is without most of the cluster's other nodes.").later(1)
	}
	return fail(http.StatusServiceUnavailable, "The node is draining.").later(1)
}
