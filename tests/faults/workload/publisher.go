package workload

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/millrace/millrace/tests/faults/checker"
)

// publisher publishes numbered events on a subject of its own, one after the other.
type publisher struct {
	w       *run
	index   int
	subject string

	acknowledged []checker.Event
	slowest      time.Duration
}

func newPublisher(w *run, index int) *publisher {
	return &publisher{w: w, index: index, subject: loadSubject(index)}
}

// run publishes until the run halts. What it has begun it brings to its end.
func (p *publisher) run(ctx context.Context) error {
	for n := 0; !p.w.halt.Load(); n++ {
		begin := time.Now()
		e, err := p.w.publish(ctx, p.index+n, p.subject, n)
		if err != nil {
			return fmt.Errorf("event %d: %w", n, err)
		}
		p.w.acks.add(e.ID)
		p.slowest = max(p.slowest, time.Since(begin))
		p.acknowledged = append(p.acknowledged, e)
		if !sleep(ctx, p.w.config.Pause) {
			return ctx.Err()
		}
	}
	return nil
}

// publish publishes one event until it is acknowledged, beginning at one of the URLs.
func (w *run) publish(ctx context.Context, first int, subject string, number int) (checker.Event, error) {
	data, key := encode(subject, number), fmt.Sprintf("%s-%d", subject, number)
	var ack struct{ ID string }
	err := w.until(ctx, first, func(ctx context.Context, base string) error {
		return w.call(ctx, http.MethodPost, base+"/v1/tenants/"+tenant+"/events/"+subject, data, key, &ack)
	})
	return checker.Event{Subject: subject, Number: number, ID: ack.ID}, err
}
