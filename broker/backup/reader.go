package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Reader reads a file and checks it as it goes. It is for one goroutine. Its memory is one part, and a
// hundred bytes for each part of a section and each section of the file.
type Reader struct {
	Head Head

	r       io.Reader
	block   [blockBytes]byte
	data    []byte
	tenant  string
	section []byte // sums of the section so far, as its SHA256SUMS has to be
	whole   []byte
	seen    map[string]bool
	err     error
}

// NewReader reads the head. The error is ErrFormat or ErrDamaged, or that of r.
func NewReader(r io.Reader) (*Reader, error) {
	rd := &Reader{r: r, seen: map[string]bool{}}
	folder, name, at, err := rd.file(64 << 10)
	if err != nil {
		return nil, err
	}
	if folder != "" || name != headName {
		return nil, damaged("it does not begin with %s", headName)
	}
	if err := json.Unmarshal(rd.data, &rd.Head); err != nil {
		return nil, damaged("%s: %v", headName, err)
	}
	if rd.Head.Format != Format {
		return nil, fmt.Errorf("%w: %d, and not %d", ErrFormat, rd.Head.Format, Format)
	}
	if !rd.Head.Created.Equal(at) {
		return nil, damaged("its time is not that of its head")
	}
	rd.whole = appendSum(rd.whole, rd.data, headName)
	return rd, nil
}

// Next returns the next part. That of SumsName says that all parts of the section before were whole;
// those of a section that does not come to it must not be trusted. io.EOF says the same of the file.
func (r *Reader) Next() (Part, error) {
	if r.err != nil {
		return Part{}, r.err
	}
	p, err := r.next()
	r.err = err
	return p, err
}

func (r *Reader) next() (p Part, err error) {
	folder, name, at, err := r.file(MaxPartBytes)
	switch {
	case err != nil:
		return p, err
	case !at.Equal(r.Head.Created):
		return p, damaged("%s/%s is of another file", folder, name)
	case folder == "" && name == SumsName && r.tenant == "":
		return p, r.end()
	case !tenantPattern.MatchString(folder) || !partPattern.MatchString(name):
		return p, damaged("it has a part %q of %q", name, folder)
	case r.tenant != "" && r.tenant != folder:
		return p, damaged("the section of %s has no end", r.tenant)
	case r.tenant == "" && (r.seen[folder] || len(r.seen) == maxTenants):
		return p, damaged("the section of %s comes again", folder)
	}
	r.tenant, r.seen[folder] = folder, true
	if name == SumsName {
		err = r.endSection()
	} else {
		r.section = appendSum(r.section, r.data, name)
		if len(r.section) > MaxPartBytes {
			err = damaged("the section of %s has too many parts", folder)
		}
	}
	return Part{folder, name, r.data}, err
}

// endSection compares the sums of the section with what was read.
func (r *Reader) endSection() error {
	if !bytes.Equal(r.data, r.section) {
		return damaged("the sums of %s are not those of its parts", r.tenant)
	}
	r.whole = appendSum(r.whole, r.section, r.tenant+"/"+SumsName)
	r.tenant, r.section = "", r.section[:0]
	return nil
}

// end compares the file's sums, and sees that nothing follows.
func (r *Reader) end() error {
	if !bytes.Equal(r.data, r.whole) {
		return damaged("its sums are not those of its sections")
	}
	for range 2 {
		if err := r.read(r.block[:]); err != nil {
			return err
		}
		if r.block != zeroBlock {
			return damaged("it goes on behind its end")
		}
	}
	n, err := io.ReadFull(r.r, r.block[:1])
	switch {
	case n > 0:
		return damaged("it goes on behind its end")
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return err
}

// file reads a file of the archive into data.
func (r *Reader) file(limit int64) (folder, name string, at time.Time, err error) {
	if err := r.read(r.block[:]); err != nil {
		return "", "", at, err
	}
	folder, name, size, at, err := parseHeader(r.block[:])
	if err != nil {
		return "", "", at, err
	}
	if size > limit {
		return "", "", at, damaged("%s/%s has %d bytes", folder, name, size)
	}
	if r.data, err = r.readData(r.data[:0], int(size)); err != nil {
		return "", "", at, err
	}
	pad := r.block[:padding(size)]
	if err := r.read(pad); err != nil {
		return "", "", at, err
	}
	if !bytes.Equal(pad, zeroBlock[:len(pad)]) {
		return "", "", at, damaged("something is between its parts")
	}
	return folder, name, at, nil
}

// readData reads so many bytes. It takes no memory for what only a header speaks of.
func (r *Reader) readData(dst []byte, size int) ([]byte, error) {
	for len(dst) < size {
		n := min(size-len(dst), max(len(dst), partBytes))
		begin := len(dst)
		dst = append(dst, make([]byte, n)...)
		if err := r.read(dst[begin:]); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// read fills b. The end of the file is too early wherever it is met here.
func (r *Reader) read(b []byte) error {
	_, err := io.ReadFull(r.r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("it was cut off")
	}
	return err
}
