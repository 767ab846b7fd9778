package broker

import (
	"slices"
	"strings"
)

// index finds the filters that match a subject, in time that grows with the subject's tokens and
// not with the number of filters. It is not safe for concurrent use.
type index struct {
	root   branch
	search uint64 // number of the last search, so that a filter is found once
	found  []*filter
}

// branch is the filters whose patterns begin alike.
type branch struct {
	next map[string]*branch // by token, * among them
	here []*filter          // patterns that end here
	rest []*filter          // patterns that go on with >
}

func (x *index) add(f *filter) {
	for _, p := range f.patterns {
		x.root.add(p, f)
	}
}

func (x *index) remove(f *filter) {
	for _, p := range f.patterns {
		x.root.remove(p, f)
	}
}

func (b *branch) add(pattern string, f *filter) {
	token, rest, more := strings.Cut(pattern, ".")
	if token == ">" {
		b.rest = append(b.rest, f)
		return
	}
	if b.next == nil {
		b.next = map[string]*branch{}
	}
	child := b.next[token]
	if child == nil {
		child = new(branch)
		b.next[token] = child
	}
	if more {
		child.add(rest, f)
	} else {
		child.here = append(child.here, f)
	}
}

func (b *branch) remove(pattern string, f *filter) {
	is := func(other *filter) bool { return other == f }
	token, rest, more := strings.Cut(pattern, ".")
	if token == ">" {
		b.rest = slices.DeleteFunc(b.rest, is)
		return
	}
	child := b.next[token]
	if child == nil {
		return
	}
	if more {
		child.remove(rest, f)
	} else {
		child.here = slices.DeleteFunc(child.here, is)
	}
	if len(child.next)+len(child.here)+len(child.rest) == 0 {
		delete(b.next, token)
	}
}

// match returns the filters of subject, each once; the slice is good until the next call.
func (x *index) match(subject string) []*filter {
	x.search++
	clear(x.found)
	x.found = x.found[:0]
	if strings.HasPrefix(subject, "_") { // which no wildcard covers, see covers
		token, rest, more := strings.Cut(subject, ".")
		x.down(x.root.next[token], rest, more)
	} else {
		x.walk(&x.root, subject)
	}
	return x.found
}

func (x *index) walk(b *branch, subject string) {
	x.take(b.rest)
	token, rest, more := strings.Cut(subject, ".")
	for _, child := range [...]*branch{b.next[token], b.next["*"]} {
		x.down(child, rest, more)
	}
}

// down goes on with what is behind the token of b, which may be nil.
func (x *index) down(b *branch, rest string, more bool) {
	switch {
	case b == nil:
	case more:
		x.walk(b, rest)
	default:
		x.take(b.here)
	}
}

func (x *index) take(filters []*filter) {
	for _, f := range filters {
		if f.mark != x.search {
			f.mark = x.search
			x.found = append(x.found, f)
		}
	}
}
