package workload

import (
	"sync"
	"time"
)

// silent is how long nobody has an acknowledgement when the installation as a whole is out of order.
const silent = time.Second

// acks is when publishers had their acknowledgements. It is safe for concurrent use.
type acks struct {
	mu    sync.RWMutex
	at    map[string]time.Time // by the event's id
	last  time.Time            // of all
	again time.Time            // the first after the last silence
}

func (a *acks) add(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at == nil {
		a.at = map[string]time.Time{}
	}
	now := time.Now()
	a.at[id] = now
	if now.Sub(a.last) > silent {
		a.again = now
	}
	a.last = now
}

// since is for how long the installation has worked and had an event: since its acknowledgement, or
// since the end of a silence that came later. It is 0 if the event was not acknowledged.
func (a *acks) since(id string) time.Duration {
	a.mu.RLock()
	defer a.mu.RUnlock()
	at, ok := a.at[id]
	if !ok {
		return 0
	}
	if at.Before(a.again) {
		at = a.again
	}
	return time.Since(at)
}
