package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// barBytes is the size from which an upload shows a bar.
const barBytes = 1 << 20

// progress counts what is read of an upload and draws a bar while somebody looks on. Without a
// terminal, and for what is small, it draws nothing.
type progress struct {
	r     io.Reader
	out   io.Writer
	label string
	total int64
	drawn time.Time
	done  int64
}

// newProgress is r, of total bytes, with a bar on out if that is a terminal.
func newProgress(r io.Reader, out io.Writer, label string, total int64) io.Reader {
	if total < barBytes || !isTerminal(out) {
		return r
	}
	return &progress{r: r, out: out, label: label, total: total}
}

// Read reads from below and draws, at most ten times a second and once at the end.
func (p *progress) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.add(int64(n)); err != nil {
		p.clear()
	}
	return n, err
}

// add counts and draws.
func (p *progress) add(n int64) {
	p.done += n
	if now := time.Now(); now.Sub(p.drawn) >= 100*time.Millisecond {
		p.drawn = now
		fmt.Fprint(p.out, "\r"+p.bar())
	}
}

// clear takes the bar away.
func (p *progress) clear() { fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", len(p.bar())+2)) }

const barWidth = 30

func (p *progress) bar() string {
	full := int(min(p.done, p.total) * barWidth / p.total)
	return fmt.Sprintf("%s [%s%s] %3d%% of %s", p.label,
		strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), min(p.done, p.total)*100/p.total, bytesText(p.total))
}

// bytesText is n bytes as people read it.
func bytesText(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// bar is a progress bar of what is about so many bytes, while somebody looks on.
type bar struct {
	p *progress // nil while nothing is drawn
	l string
	w io.Writer
}

func newBar(w io.Writer, label string) *bar { return &bar{l: label, w: w} }

// expect says how many bytes there are to come, about.
func (b *bar) expect(total int64) {
	if total >= barBytes && isTerminal(b.w) {
		b.p = &progress{out: b.w, label: b.l, total: total}
	}
}

func (b *bar) add(n int) {
	if b.p != nil {
		b.p.add(int64(n))
	}
}

func (b *bar) end() {
	if b.p != nil {
		b.p.clear()
	}
}
