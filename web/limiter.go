package web

import (
	"net/http"
	"sync"

	"golang.org/x/time/rate"

	"github.com/millrace/millrace/broker"
)

// limiter holds one route's open streams to its limits on this node.
type limiter struct {
	mu       sync.Mutex
	limits   broker.RouteLimits
	connects *rate.Limiter // nil: no limit

	open      int
	byWho     map[string]int       // open streams of each who
	audiences map[string]*audience // and by what they follow
}

func newLimiter(l broker.RouteLimits) *limiter {
	lim := &limiter{byWho: map[string]int{}, audiences: map[string]*audience{}}
	lim.set(l)
	return lim
}

// set changes the limits; streams that are open stay counted.
func (l *limiter) set(limits broker.RouteLimits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := limits.ConnectsPerSecond; n == 0 {
		l.connects = nil
	} else if n != l.limits.ConnectsPerSecond {
		l.connects = rate.NewLimiter(rate.Limit(n), n)
	}
	l.limits = limits
}

// enter counts one more stream of who, which follows subjects, or returns a 429. After nil, leave must
// follow, with what enter has returned.
func (l *limiter) enter(who string, subjects []string) (*audience, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.limits.Connections > 0 && l.open >= l.limits.Connections:
		return nil, fail(http.StatusTooManyRequests, "The route has all the streams open that it may have.").later(5)
	case l.limits.PerPrincipal > 0 && l.byWho[who] >= l.limits.PerPrincipal:
		return nil, fail(http.StatusTooManyRequests, "You have all the streams of this route open that you may have.").later(5)
	case l.connects != nil && !l.connects.Allow():
		return nil, fail(http.StatusTooManyRequests, "Too many streams of this route are opened at once.").later(1)
	}
	l.open++
	l.byWho[who]++
	return l.join(subjects), nil
}

func (l *limiter) leave(who string, a *audience) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.byWho[who]--; l.byWho[who] <= 0 {
		delete(l.byWho, who)
	}
	l.part(a)
}
