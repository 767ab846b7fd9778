package host

import (
	"bytes"
	"os"
	"testing"
)

func TestRegion(t *testing.T) {
	r, err := newRegion(4*pageBytes, roomy)
	if err != nil {
		t.Fatal(err)
	}
	defer r.unmap()
	if b := r.Reallocate(0); b == nil || len(b) != 0 {
		t.Errorf("no memory is %v, want it empty, as nil is a refusal", b)
	}
	for _, size := range []uint64{pageBytes, 4 * pageBytes, 2 * pageBytes} {
		b := r.Reallocate(size)
		if uint64(len(b)) != size || uint64(cap(b)) != size {
			t.Fatalf("reallocated to %d bytes: %d, %d", size, len(b), cap(b))
		}
		b[0]++
		b[size-1]++
	}
	if got := r.Reallocate(pageBytes)[0]; got != 3 {
		t.Errorf("the first byte is %d, want 3: memory never moves", got)
	}
	if r.Reallocate(4*pageBytes+1) != nil || r.Reallocate(1<<63) != nil {
		t.Error("more than the region is not refused")
	}
	r.Free()
	if got := r.view(pageBytes)[0]; got != 3 {
		t.Error("wazero freed the region")
	}
	for range 2 {
		if err := r.unmap(); err != nil {
			t.Error(err)
		}
	}
}

func TestRegionThatCannotBe(t *testing.T) {
	if _, err := newRegion(1<<62, roomy); err == nil {
		t.Error("there is room for everything")
	}
}

func TestImage(t *testing.T) {
	content := make([]byte, 3*pageBytes)
	content[0], content[pageBytes+5], content[len(content)-1] = 1, 2, 3
	m, err := newImage(content)
	if err != nil {
		t.Fatal(err)
	}
	shown := func() *region {
		r, err := newRegion(8*pageBytes, roomy)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.unmap() })
		if err := r.show(m); err != nil {
			t.Fatal(err)
		}
		return r
	}
	one, other := shown(), shown()
	clear(one.view(m.size))
	if !bytes.Equal(other.view(m.size), content) || !bytes.Equal(shown().view(m.size), content) {
		t.Error("what one instance writes another reads")
	}
	if _, err := m.file.WriteAt([]byte{9}, 0); err == nil {
		t.Error("the image can be written")
	}
	if err := m.file.Truncate(0); err == nil {
		t.Error("the image can be cut, which would kill who reads it")
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	if got := other.Reallocate(4 * pageBytes); !bytes.Equal(got, append(content, make([]byte, pageBytes)...)) {
		t.Error("a memory that grew after its image was closed is not the image and zeros")
	}
	if err := other.show(&image{file: m.file, size: 9 * pageBytes}); err == nil {
		t.Error("an image larger than the region is shown")
	}
}

func TestEmptyImage(t *testing.T) {
	m, err := newImage(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	r, err := newRegion(pageBytes, roomy)
	if err != nil {
		t.Fatal(err)
	}
	defer r.unmap()
	if err := r.show(m); err != nil {
		t.Error(err)
	}
}

// roomy is a node that is not full.
func roomy() bool { return false }

func TestFullRegionDoesNotGrow(t *testing.T) {
	full := false
	r, err := newRegion(4*pageBytes, func() bool { return full })
	if err != nil {
		t.Fatal(err)
	}
	defer r.unmap()
	for _, tt := range []struct {
		pages uint64
		full  bool
		grows bool
	}{{2, false, true}, {3, true, false}, {2, true, true}, {1, true, true}, {3, false, true}, {5, false, false}} {
		full = tt.full
		if got := r.Reallocate(tt.pages*pageBytes) != nil; got != tt.grows {
			t.Errorf("grows to %d pages where full is %v: %v", tt.pages, tt.full, got)
		}
	}
}

func TestHeldCountsWhatIsWritten(t *testing.T) {
	m, err := newImage(make([]byte, 16*pageBytes))
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	r, err := newRegion(64*pageBytes, roomy)
	if err != nil {
		t.Fatal(err)
	}
	defer r.unmap()
	if err := r.show(m); err != nil {
		t.Fatal(err)
	}
	pages, err := openPageMap()
	if err != nil {
		t.Skip(err)
	}
	defer pages.close()
	page := int64(os.Getpagesize())
	want := func(n int64) {
		t.Helper()
		if got := r.held(pages); got != n*page {
			t.Errorf("it holds %d bytes, want %d", got, n*page)
		}
	}
	want(0)
	for i := range int64(10) {
		_ = r.bytes[i*page] // reading shares the image's pages
	}
	want(0)
	for i := range int64(5) {
		r.bytes[i*3*page] = 1
	}
	want(5)
	r.Reallocate(40 * pageBytes)
	want(5)
	r.bytes[40*pageBytes-1] = 1
	want(6)
}
