package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/millrace/millrace/abi/sse"
)

// probeTimeout is for an event to come out at the probe.
const probeTimeout = 10 * time.Second

// probe publishes one event and returns the id with which it comes out of the stream.
func (r *run) probe(ctx context.Context) (id string, err error) {
	conn, err := r.stream.dial()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(probeTimeout)); err != nil {
		return "", err
	}
	if _, err := conn.Write(r.stream.streamHead("")); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server answered %s", resp.Status)
	}
	if err := pause(ctx, warmUpPause); err != nil { // some servers answer before they listen
		return "", err
	}
	if err := r.publishers[0].send(ctx, r.marks.warm(0), r.now()); err != nil {
		return "", err
	}
	events := sse.NewReader(resp.Body, maxLine)
	for {
		e, err := events.Next()
		switch {
		case err != nil:
			return "", err
		case !strings.Contains(e.Data, r.marks.warming):
		case events.LastEventID() == "":
			return "", errors.New("the stream's events have no ids")
		default:
			return events.LastEventID(), nil
		}
	}
}
