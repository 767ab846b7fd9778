package web

import "sync"

// turns lets one go at a time for each name: what is checked against all of a tenant's routes must
// still hold when it is written. The zero value is ready.
type turns struct {
	mu    sync.Mutex
	taken map[string]*turn
}

type turn struct {
	mu    sync.Mutex
	users int
}

// lock waits for name's turn and returns what ends it.
func (t *turns) lock(name string) (unlock func()) {
	t.mu.Lock()
	if t.taken == nil {
		t.taken = map[string]*turn{}
	}
	one := t.taken[name]
	if one == nil {
		one = &turn{}
		t.taken[name] = one
	}
	one.users++
	t.mu.Unlock()
	one.mu.Lock()
	return func() {
		one.mu.Unlock()
		t.mu.Lock()
		defer t.mu.Unlock()
		if one.users--; one.users == 0 {
			delete(t.taken, name)
		}
	}
}
