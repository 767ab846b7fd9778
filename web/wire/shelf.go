package wire

import (
	"slices"
	"sync"
	"time"
)

// shelf keeps batches of all rings, for those who come to the same place a little later. It keeps them
// for a short time only, so that what is deleted from history is gone from here soon.
type shelf struct {
	bound int

	mu    sync.Mutex
	books []book // oldest first
	bytes int
}

type book struct {
	r     *Ring
	b     *Batch
	until time.Time
}

const (
	maxBooks = 256 // what find has to look through
	bookTime = 10 * time.Second
)

func (s *shelf) find(r *Ring, at Cursor) *Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	i := slices.IndexFunc(s.books, func(k book) bool { return k.r == r && k.b.has(at) && now.Before(k.until) })
	if i < 0 {
		return nil
	}
	return s.books[i].b
}

func (s *shelf) put(r *Ring, b *Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.books = append(s.books, book{r, b, now.Add(bookTime)})
	s.bytes += b.bytes()
	drop := 0
	for drop < len(s.books) && (s.bytes > s.bound || len(s.books)-drop > maxBooks || !now.Before(s.books[drop].until)) {
		s.bytes -= s.books[drop].b.bytes()
		drop++
	}
	s.books = slices.Delete(s.books, 0, drop)
}

// clear lets go of a ring's batches.
func (s *shelf) clear(r *Ring) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books = slices.DeleteFunc(s.books, func(k book) bool {
		if k.r == r {
			s.bytes -= k.b.bytes()
		}
		return k.r == r
	})
}
