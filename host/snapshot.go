package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero/api"
)

// snapshot is what the instances of a module begin with: memory and mutable globals as they were
// when _initialize had returned. Whatever a module drew at random by then is the same in all of
// them: of a Go module that is the order of maps, hash/maphash and the global source of math/rand.
// crypto/rand asks the host each time.
type snapshot struct {
	image   *image
	pages   uint32
	globals []savedGlobal
}

type savedGlobal struct {
	export string
	value  uint64
}

// plant makes an instance of a seed what the module would have been: with its data and after its
// start function.
func plant(ctx context.Context, s *wasm.Seed, m api.Module) error {
	for _, d := range s.Data {
		if !m.Memory().Write(d.Offset, d.Bytes) {
			return &fault{reason: fmt.Sprintf("a data segment of %d bytes at %d is outside of memory", len(d.Bytes), d.Offset)}
		}
	}
	if !s.Start {
		return nil
	}
	return m.ExportedFunction(wasm.SeedStart).CallWithStack(ctx, nil)
}

// takeSnapshot keeps what an instance of the seed has come to.
func takeSnapshot(s *wasm.Seed, m api.Module, memory *region) (*snapshot, error) {
	t := &snapshot{pages: pagesOf(m)}
	for _, name := range s.Globals {
		t.globals = append(t.globals, savedGlobal{name, m.ExportedGlobal(name).Get()})
	}
	var err error
	t.image, err = newImage(memory.view(uint64(t.pages) * pageBytes))
	return t, err
}

// restore makes a fresh instance, whose memory shows the image, what the snapshot was taken of.
func (t *snapshot) restore(m api.Module) error {
	if _, ok := m.Memory().Grow(t.pages - pagesOf(m)); !ok {
		return errors.New("memory does not grow to the size of its snapshot")
	}
	for _, g := range t.globals {
		global, ok := m.ExportedGlobal(g.export).(api.MutableGlobal)
		if !ok {
			return fmt.Errorf("global %s cannot be set", g.export)
		}
		global.Set(g.value)
	}
	return nil
}

// pagesOf is how large the memory is. Its Size is 0 for 4 GiB.
func pagesOf(m api.Module) uint32 {
	pages, _ := m.Memory().Grow(0)
	return pages
}
