package bench

import "bytes"

// viewer is one stream, over as many connections as it takes. One goroutine at a time has it.
type viewer struct {
	response response
	from     []sequence // by publisher
	opened   int64      // when connecting began
	got      int64      // events, each once
	slow     bool       // it reads slowly while events are published
	answered bool       // its first connection was opened or refused

	block []mark // of the event that has not ended yet
	id    []byte // of the event that has not ended yet
	last  []byte // of the last event that has: what it resumes after
}

// crew reads viewers and keeps what they saw.
type crew struct {
	*tally
	marks marks
	now   func() int64
	want  int64         // events that make a viewer whole; 0 is no end
	heads chan<- error  // one for each viewer that opened: nil, or why it was refused
	again func(*viewer) // opens a viewer that has ended once more; nil for viewers that stay away
}

// take takes the next piece that v received. The error is v's end.
func (c *crew) take(v *viewer, piece []byte) error {
	now, wasOpen := c.now(), v.response.opened()
	before := v.got
	err := v.response.feed(piece, func(line []byte) { c.line(v, line, now) })
	c.bytes += int64(len(piece))
	if v.got > before {
		c.delivered.Add(v.got - before)
		c.last.Store(now)
	}
	if !wasOpen && v.response.opened() {
		c.answer(v, nil)
	}
	return err
}

// answer tells how a viewer's first connection came off, and counts those after it.
func (c *crew) answer(v *viewer, err error) {
	switch {
	case !v.answered:
		v.answered = true
		c.heads <- err
	case err == nil:
		c.resumed++
	}
}

// ended takes the end of v's connection. cut tells that we made it ourselves. A viewer that was
// refused at its first connection stays away.
func (c *crew) ended(v *viewer, why error, cut bool) {
	if !v.answered {
		c.answer(v, why)
		return
	}
	if v.response.opened() && !cut {
		c.cut++
		c.cutBy = why
	}
	if c.again != nil {
		v.response, v.block, v.id = response{}, v.block[:0], v.id[:0]
		c.again(v)
	}
}

// line takes a line of the stream. What a block brings counts when it ends, as in a browser: a
// viewer that is cut inside of one gets it once more.
func (c *crew) line(v *viewer, line []byte, now int64) {
	switch {
	case len(line) == 0 || len(line) == 1 && line[0] == '\r':
		c.dispatch(v, now)
	case len(line) > 5 && string(line[:5]) == "data:":
		for m, rest, ok := c.marks.next(line[5:]); ok; m, rest, ok = c.marks.next(rest) {
			if m.publisher < len(v.from) {
				v.block = append(v.block, m)
			}
		}
	case c.again != nil && len(line) > 3 && string(line[:3]) == "id:":
		v.id = append(v.id[:0], bytes.TrimSpace(line[3:])...)
	}
}

func (c *crew) dispatch(v *viewer, now int64) {
	for _, m := range v.block {
		c.event(v, m, now)
	}
	v.block = v.block[:0]
	if len(v.id) > 0 {
		v.last, v.id = append(v.last[:0], v.id...), v.id[:0]
	}
}

func (c *crew) event(v *viewer, m mark, now int64) {
	switch v.from[m.publisher].see(m.number) {
	case repeated:
		c.repeated++
		return
	case late:
		c.late++
	}
	c.latency.record(now - m.at)
	if v.got++; v.got == c.want {
		c.completed.record(now - v.opened)
	}
}
