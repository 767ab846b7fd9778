package backup

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Writer writes a file. It is for one goroutine. After an error it is of no more use.
type Writer struct {
	w       io.Writer
	at      time.Time
	tenant  string // whose section is open; empty for none
	section []byte // its sums
	whole   []byte // the file's sums
}

// NewWriter begins a file. Head.Format is filled in, Created is now unless it is set.
func NewWriter(w io.Writer, h Head) (*Writer, error) {
	h.Format = Format
	if h.Created.IsZero() {
		h.Created = time.Now()
	}
	h.Created = h.Created.UTC().Truncate(time.Second)
	b, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	wr := &Writer{w: w, at: h.Created}
	wr.whole = appendSum(wr.whole, b, headName)
	return wr, wr.file("", headName, b)
}

// Part adds a part to the section of a tenant, which it begins if another was open before.
func (w *Writer) Part(tenant, name string, data []byte) error {
	switch {
	case !tenantPattern.MatchString(tenant) || !partPattern.MatchString(name) || name == SumsName:
		return fmt.Errorf("backup cannot have a part %s of %s", name, tenant)
	case len(data) > MaxPartBytes:
		return fmt.Errorf("part %s of %s has %d bytes, more than a backup can hold", name, tenant, len(data))
	case w.tenant != "" && w.tenant != tenant:
		return fmt.Errorf("section %s begins in that of %s", tenant, w.tenant)
	}
	w.tenant = tenant
	w.section = appendSum(w.section, data, name)
	return w.file(tenant, name, data)
}

// EndTenant closes the section that is open.
func (w *Writer) EndTenant() error {
	if w.tenant == "" {
		return errors.New("backup has no section to end")
	}
	if len(w.section) > MaxPartBytes {
		return fmt.Errorf("section %s has more parts than a backup can hold", w.tenant)
	}
	w.whole = appendSum(w.whole, w.section, w.tenant+"/"+SumsName)
	err := w.file(w.tenant, SumsName, w.section)
	w.tenant, w.section = "", w.section[:0]
	return err
}

// Close ends the file. It does not close what it is written to.
func (w *Writer) Close() error {
	if w.tenant != "" {
		return fmt.Errorf("section %s has no end", w.tenant)
	}
	if err := w.file("", SumsName, w.whole); err != nil {
		return err
	}
	return w.write(zeroBlock[:], zeroBlock[:])
}

func (w *Writer) file(folder, name string, data []byte) error {
	size := int64(len(data))
	return w.write(appendHeader(nil, folder, name, size, w.at), data, zeroBlock[:padding(size)])
}

func (w *Writer) write(pieces ...[]byte) error {
	for _, b := range pieces {
		if _, err := w.w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// appendSum appends the line that sha256sum prints.
func appendSum(dst, data []byte, name string) []byte {
	return fmt.Appendf(dst, "%x  %s\n", sha256.Sum256(data), name)
}
