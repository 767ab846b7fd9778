package source_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/millrace/millrace/broker/source"
)

// memory is a Store as strict as its contract: all or nothing, compare-and-swap, and a repeated
// Append stores nothing twice. Before and after each write it asks fault, whose error the caller
// gets; what a fault after the write reports was stored all the same.
type memory struct {
	fault func(point string, n int) error

	mu      sync.Mutex
	cursor  source.Cursor
	outputs []source.Output
	batches int
	calls   int
	last    []source.Output // of the last Append, and where it began
	lastAt  uint64
	keys    map[string]bool
}

func (m *memory) Cursor(context.Context) (source.Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursor, nil
}

func (m *memory) Append(ctx context.Context, at source.Cursor, outputs []source.Output, to source.Cursor) (source.Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return source.Cursor{}, ctx.Err()
	}
	m.calls++
	if err := m.failAt("before"); err != nil {
		return source.Cursor{}, err
	}
	if at.Revision != m.cursor.Revision {
		if at.Revision == m.lastAt && slices.Equal(outputs, m.last) {
			return m.cursor, nil
		}
		return source.Cursor{}, fmt.Errorf("revision %d, not %d: %w", m.cursor.Revision, at.Revision, source.ErrConflict)
	}
	if len(outputs) > source.MaxOutputs {
		return source.Cursor{}, errors.New("too many outputs")
	}
	m.store(outputs)
	m.last, m.lastAt = slices.Clone(outputs), at.Revision
	m.cursor.Revision++
	m.cursor.LastEventID, m.cursor.Ended, m.cursor.Complete = to.LastEventID, to.Ended, to.Complete
	m.batches++
	return m.cursor, m.failAt("after")
}

func (m *memory) store(outputs []source.Output) {
	for _, o := range outputs {
		if o.Key != "" && m.keys[o.Key] {
			continue
		}
		if m.keys == nil {
			m.keys = map[string]bool{}
		}
		m.keys[o.Key] = true
		m.outputs = append(m.outputs, o)
	}
}

func (m *memory) MarkSent(_ context.Context, at source.Cursor) (source.Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at.Revision != m.cursor.Revision {
		return source.Cursor{}, source.ErrConflict
	}
	m.calls++
	if err := m.failAt("before mark"); err != nil {
		return source.Cursor{}, err
	}
	m.cursor.Sent = true
	return m.cursor, m.failAt("after mark")
}

func (m *memory) failAt(point string) error {
	if m.fault == nil {
		return nil
	}
	return m.fault(point, m.calls)
}

func (m *memory) data() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]string, len(m.outputs))
	for i, o := range m.outputs {
		all[i] = o.Data
	}
	return all
}

func (m *memory) all() []source.Output {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.outputs)
}
