package web

import "context"

// Follow brings the tenant's workers up to the registry.
func (s *Server) Follow(ctx context.Context, tenant string) { s.workers.follow(ctx, tenant) }

// Workers is how many sources this node knows of.
func (s *Server) Workers() int { return len(s.workers.all()) }

// NewLookups gives the way in which those who miss something ask the registry's leader together.
func NewLookups(look func() error) (fresh func(context.Context) error) {
	return newLookups(func(context.Context) error { return look() }).fresh
}
