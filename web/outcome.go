package web

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
)

// outcome is how a run of a source ended for good: done, failed, or stopped by its plugin. It is
// kept, so that neither a restart nor another node begins the run again; only a user does, by
// another run.
type outcome struct {
	Created time.Time     `json:"created"` // of the source, which may be another of the same name
	Run     uint64        `json:"run"`
	Status  source.Status `json:"status"`
}

// outcomeKey is where it is kept among the tenant's keys.
func outcomeKey(source string) string { return "_source/" + source }

// of tells whether the outcome is that of src as it is now.
func (o outcome) of(src broker.Source) bool { return o.Run == src.Run && o.Created.Equal(src.Created) }

// readOutcome returns how the source's run has ended; ok is false if it has not.
func (s *Server) readOutcome(ctx context.Context, tenant string, src broker.Source) (status source.Status, ok bool, err error) {
	doc, err := s.broker.KVGet(ctx, tenant, outcomeKey(src.Name))
	if errors.Is(err, broker.ErrNotFound) {
		return status, false, nil
	}
	if err != nil {
		return status, false, err
	}
	var o outcome
	if err := json.Unmarshal(doc, &o); err != nil {
		return status, false, nil // somebody else's, which says nothing of the source
	}
	return o.Status, o.of(src), nil
}

func (s *Server) writeOutcome(ctx context.Context, tenant string, src broker.Source, status source.Status) error {
	doc := jsonText(outcome{src.Created, src.Run, status})
	return s.broker.KVPut(ctx, tenant, outcomeKey(src.Name), []byte(doc), 0)
}

func (s *Server) forgetOutcome(ctx context.Context, tenant, source string) error {
	return s.broker.KVDelete(ctx, tenant, outcomeKey(source))
}
