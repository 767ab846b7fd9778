package web

import "strings"

// audience is the open streams of a route that follow the same subjects.
type audience struct {
	key      string
	subjects []string
	open     int
}

func audienceKey(subjects []string) string { return strings.Join(subjects, " ") } // of which none has a space

// join counts a stream among its audience. The caller holds the lock.
func (l *limiter) join(subjects []string) *audience {
	key := audienceKey(subjects)
	a := l.audiences[key]
	if a == nil {
		a = &audience{key: key, subjects: subjects}
		l.audiences[key] = a
	}
	a.open++
	return a
}

// part takes a stream out of its audience. The caller holds the lock.
func (l *limiter) part(a *audience) {
	if a.open--; a.open == 0 {
		delete(l.audiences, a.key)
	}
}
