package web

import (
	"context"
	"errors"
	"sync"

	"github.com/millrace/millrace/broker"
)

// answerOthers answers what other nodes ask until ctx ends.
func (s *Server) answerOthers(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for topic, answer := range map[string]func(context.Context, []byte) []byte{
		presenceTopic: s.tellPresence,
		sourcesTopic:  s.tellSources,
		linesTopic:    s.tellLines,
		nodeTopic:     s.answerOrder,
	} {
		wg.Go(func() {
			err := s.broker.Answer(ctx, topic, answer)
			if err != nil && ctx.Err() == nil && !errors.Is(err, broker.ErrClosed) {
				s.log.Error("other nodes get no answer", "topic", topic, "error", err)
			}
		})
	}
}
