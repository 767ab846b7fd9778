package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
)

// linesTopic is what nodes ask each other on about the lines of a source's log.
const linesTopic = "lines"

const (
	linesWait     = 5 * time.Second // for a line to come, before it is asked again where the source runs
	maxLinesBytes = 512 << 10       // of an answer
)

// linesQuestion asks the node that runs a source for the lines of its log from a number on.
type linesQuestion struct {
	Tenant string `json:"tenant"`
	Source string `json:"source"`
	From   uint64 `json:"from"`
}

// linesAnswer has the lines, and the number behind them.
type linesAnswer struct {
	Lines []json.RawMessage `json:"lines"`
	Next  uint64            `json:"next"`
}

// sourceLogProducer produces the lines of a source's log from the node that runs it, wherever that is.
// When another node takes the source over, it goes on with what that one wrote.
type sourceLogProducer struct {
	server *Server
	tenant string
	name   string
}

func (p *sourceLogProducer) open(*viewer) error { return nil }

func (p *sourceLogProducer) run(v *viewer) error {
	node, next := "", uint64(0)
	var looked time.Time // where it runs
	for v.ctx.Err() == nil {
		if time.Since(looked) >= linesWait {
			if now := p.node(v.ctx); now != node {
				node, next = now, 0
			}
			looked = time.Now()
		}
		answer, err := p.lines(v.ctx, node, next)
		if err != nil { // the node is gone, or about to be
			pause(v.ctx, time.Second)
			looked = time.Time{}
			continue
		}
		for _, line := range answer.Lines {
			e := abi.Event{Name: "log", Data: string(line)}
			if err := v.send(&e); err != nil {
				return err
			}
		}
		next = answer.Next
	}
	return nil
}

// node is where the source runs; this one, where that is not known.
func (p *sourceLogProducer) node(ctx context.Context) string {
	self := p.server.config.Node
	view, err := p.server.broker.View(ctx, p.tenant)
	if err != nil {
		return self
	}
	src, ok := view.Sources[p.name]
	if !ok {
		return self
	}
	states, err := p.server.sourceStates(ctx, p.tenant, map[string]broker.Source{p.name: src})
	if err != nil || states[p.name].Node == "" {
		return self
	}
	return states[p.name].Node
}

// lines waits a while for lines of a node's log.
func (p *sourceLogProducer) lines(ctx context.Context, node string, from uint64) (linesAnswer, error) {
	q := linesQuestion{p.tenant, p.name, from}
	if node == p.server.config.Node {
		return p.server.linesHere(ctx, q), nil
	}
	data, err := p.server.broker.AskNode(ctx, node, linesTopic, []byte(jsonText(q)))
	if err != nil {
		return linesAnswer{}, err
	}
	var answer linesAnswer
	return answer, json.Unmarshal(data, &answer)
}

// tellLines answers other nodes.
func (s *Server) tellLines(ctx context.Context, question []byte) []byte {
	var q linesQuestion
	if json.Unmarshal(question, &q) != nil {
		return nil
	}
	return []byte(jsonText(s.linesHere(ctx, q)))
}

// linesHere are the lines of this node's log, as many as an answer may have. It waits a while for one.
func (s *Server) linesHere(ctx context.Context, q linesQuestion) linesAnswer {
	ctx, cancel := context.WithTimeout(ctx, linesWait)
	defer cancel()
	for {
		lines, next, wake := s.logs.of(q.Tenant, sourceLog(q.Source)).after(q.From)
		answer := linesAnswer{Lines: []json.RawMessage{}, Next: next}
		size := 0
		for i, line := range lines {
			if size += len(line); size > maxLinesBytes {
				answer.Next -= uint64(len(lines) - i)
				break
			}
			answer.Lines = append(answer.Lines, json.RawMessage(line))
		}
		if len(lines) > 0 {
			return answer
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return answer
		}
	}
}
