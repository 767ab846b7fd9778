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
)

// lastWords tell a viewer why its stream ends, where it should know, or when to come back.
func lastWords(why error) []byte {
	switch {
	case errors.Is(why, errExpired):
		return sse.AppendEvent(nil, &abi.Event{Name: "expired", Data: "{}"})
	case errors.Is(why, errDrain), errors.Is(why, wire.ErrDraining), errors.Is(why, errDeleted):
		return sse.AppendRetry(nil, comeBack())
	}
	return nil
}

// comeBack is when a viewer comes back that was ended or turned away together with others: spread,
// so that the other nodes do not get everybody in one moment.
func comeBack() time.Duration { return time.Second + rand.N(4*time.Second) }

// turnAway answers a stream on a draining node. An EventSource gives up for good at an error status,
// and so is told to come back by a stream that ends at once; others get a 503.
func turnAway(w http.ResponseWriter, r *http.Request) error {
	if !strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		return fail(http.StatusServiceUnavailable, "The node is draining.").later(1)
	}
	writeHead(w)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(sse.AppendRetry(nil, comeBack())) // who has left needs no answer
	return nil
}
