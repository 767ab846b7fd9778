package web

import "github.com/millrace/millrace/abi"

// logProducer produces the lines of a log.
type logProducer struct{ log *lineLog }

func (p *logProducer) open(*viewer) error { return nil }

func (p *logProducer) run(v *viewer) error {
	for n := uint64(0); ; {
		lines, next, wake := p.log.after(n)
		for _, line := range lines {
			e := abi.Event{Name: "log", Data: line}
			if err := v.send(&e); err != nil {
				return err
			}
		}
		n = next
		select {
		case <-v.ctx.Done():
			return nil
		case <-wake:
		}
	}
}
