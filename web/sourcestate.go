package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
)

// sourcesTopic is what nodes ask each other on about sources.
const sourcesTopic = "sources"

// maxAskedSources bounds a question, so that the answer is not too big: an error's text has some
// kilobytes.
const maxAskedSources = 100

// sourcesQuestion asks for the sources of a tenant that a node runs.
type sourcesQuestion struct {
	Tenant string           `json:"tenant"`
	Names  map[string]int64 `json:"names"` // with when each was made, by Unix time in nanoseconds
}

// sourceStates are where sources stand, by name: as the node tells that runs them, or has run them,
// wherever it is. One that no node tells of is connecting or stopped, and on no node.
func (s *Server) sourceStates(ctx context.Context, tenant string, sources map[string]broker.Source) (map[string]source.Status, error) {
	states := make(map[string]source.Status, len(sources))
	elsewhere := map[string]int64{}
	for _, name := range sortedKeys(sources) {
		var here bool
		if states[name], here = s.workers.state(tenant, sources[name]); !here {
			elsewhere[name] = sources[name].Created.UnixNano()
		}
		if len(elsewhere) == maxAskedSources {
			if err := s.askSources(ctx, tenant, elsewhere, states); err != nil {
				return nil, err
			}
			clear(elsewhere)
		}
	}
	if err := s.askSources(ctx, tenant, elsewhere, states); err != nil {
		return nil, err
	}
	for name, status := range states {
		if sources[name].Stopped {
			status.State, status.NextAttempt = source.Stopped, time.Time{} // which its node may not have heard yet
			states[name] = status
		}
	}
	return states, nil
}

// askSources puts what other nodes tell of sources into states.
func (s *Server) askSources(ctx context.Context, tenant string, names map[string]int64, states map[string]source.Status) error {
	if len(names) == 0 {
		return nil
	}
	answers, _, err := s.broker.Ask(ctx, sourcesTopic, []byte(jsonText(sourcesQuestion{tenant, names})))
	if err != nil {
		return err
	}
	for _, node := range sortedKeys(answers) {
		var told map[string]source.Status
		if json.Unmarshal(answers[node], &told) != nil {
			continue // of a node of another version
		}
		for name, status := range told {
			if _, asked := names[name]; asked {
				states[name] = status
			}
		}
	}
	return nil
}

// tellSources answers other nodes.
func (s *Server) tellSources(_ context.Context, question []byte) []byte {
	var q sourcesQuestion
	if json.Unmarshal(question, &q) != nil || len(q.Names) > maxAskedSources {
		return nil
	}
	told := map[string]source.Status{}
	for name, created := range q.Names {
		src := broker.Source{Name: name, Created: time.Unix(0, created)}
		if status, here := s.workers.state(q.Tenant, src); here {
			told[name] = status
		}
	}
	return []byte(jsonText(told))
}
