package broker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// store keeps the plugins' bytes by digest, once for all tenants.
type store struct {
	objects jetstream.ObjectStore
	// turn is held from looking whether bytes are needed to the write that depends on it, so that
	// no upload counts on bytes that a deletion is about to remove. It is this node's alone: an upload
	// also looks again once its record is written, and a deletion once the bytes are gone, so that
	// whatever their order on two nodes, one of them puts bytes back that are needed.
	turn   chan struct{}
	wanted map[string]int // by digest, the restores that wait to write a record of it; guarded by turn
}

func openStore(ctx context.Context, nc *nats.Conn, c Config) (*store, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open plugin store: %w", err)
	}
	s := &store{turn: make(chan struct{}, 1), wanted: map[string]int{}}
	err = retry(ctx, func(ctx context.Context) (err error) {
		s.objects, err = openObjects(ctx, js, "plugins", c.replicas())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open plugin store: %w", err)
	}
	return s, nil
}

// digestOf is the name that bytes are stored under.
func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (s *store) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *store) give() { <-s.turn }

// put stores b unless it is there.
func (s *store) put(ctx context.Context, digest string, b []byte) error {
	info, err := s.objects.GetInfo(ctx, digest)
	if err == nil && info.Size == uint64(len(b)) {
		return nil
	}
	if err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
		return fmt.Errorf("look for bytes: %w", err)
	}
	if _, err := s.objects.PutBytes(ctx, digest, b); err != nil {
		return fmt.Errorf("store bytes: %w", err)
	}
	return nil
}

// get returns the bytes of digest. Bytes that are deleted while they are read never come, which only
// the time limit ends, sometimes a moment before its context does.
func (s *store) get(ctx context.Context, digest string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	reading, stop := context.WithTimeout(ctx, writeTimeout/2)
	defer stop()
	b, err := s.objects.GetBytes(reading, digest)
	if err != nil {
		if _, missing := s.objects.GetInfo(ctx, digest); errors.Is(missing, jetstream.ErrObjectNotFound) {
			err = missing
		}
	}
	switch {
	case errors.Is(err, jetstream.ErrObjectNotFound):
		return nil, ErrNotFound
	case err != nil:
		return nil, err
	case digestOf(b) != digest:
		return nil, errors.New("stored bytes have another digest")
	}
	return b, nil
}

func (s *store) remove(ctx context.Context, digest string) error {
	err := s.objects.Delete(ctx, digest)
	if err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
		return fmt.Errorf("remove bytes %s: %w", digest, err)
	}
	return nil
}

// digests lists what is stored.
func (s *store) digests(ctx context.Context) ([]string, error) {
	infos, err := s.objects.List(ctx)
	if errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list bytes: %w", err)
	}
	digests := make([]string, len(infos))
	for i, info := range infos {
		digests[i] = info.Name
	}
	return digests, nil
}
