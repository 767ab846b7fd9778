package backup_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/backup"
)

// section is parts by name, in order.
type section []struct{ name, data string }

var two = map[string]section{
	"acme": {{"tenant.json", `{"name":"acme"}`}, {"history/00000001.ndjson", "{}\n"}, {"history/00000002.ndjson", strings.Repeat("x", 1000)}},
	"beta": {{"tenant.json", `{"name":"beta"}`}, {"plugins/" + strings.Repeat("0f", 32) + ".wasm", "\x00asm"}},
}

// write returns a file with the sections of two that are named.
func write(t testing.TB, names ...string) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := backup.NewWriter(&file, backup.Head{Version: "v1", Created: time.Unix(1_700_000_000, 5)})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for _, p := range two[name] {
			if err := w.Part(name, p.name, []byte(p.data)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.EndTenant(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// read returns what is in a file, each part as a line, and why it ends.
func read(file []byte) (parts []string, err error) {
	r, err := backup.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	for {
		p, err := r.Next()
		if err != nil {
			return parts, err
		}
		parts = append(parts, fmt.Sprintf("%s/%s %d", p.Tenant, p.Name, len(p.Data)))
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	file := write(t, "acme", "beta")
	got, err := read(file)
	want := []string{
		"acme/tenant.json 15", "acme/history/00000001.ndjson 3", "acme/history/00000002.ndjson 1000", "acme/SHA256SUMS 255",
		"beta/tenant.json 15", "beta/plugins/" + strings.Repeat("0f", 32) + ".wasm 4", "beta/SHA256SUMS 221",
	}
	if err != io.EOF || len(got) != len(want) {
		t.Fatalf("read %q, %v", got, err)
	}
	for i := range want {
		if strings.HasSuffix(strings.Split(want[i], " ")[0], "SHA256SUMS") {
			want[i], got[i] = strings.Split(want[i], " ")[0], strings.Split(got[i], " ")[0]
		}
		if got[i] != want[i] {
			t.Errorf("part %d is %s, not %s", i, got[i], want[i])
		}
	}
	r, err := backup.NewReader(bytes.NewReader(file))
	if err != nil || r.Head.Version != "v1" || r.Head.Format != backup.Format || r.Head.Created.Unix() != 1_700_000_000 {
		t.Errorf("head %+v, %v", r.Head, err)
	}
}

func TestAnyTarReadsIt(t *testing.T) {
	r := tar.NewReader(bytes.NewReader(write(t, "acme")))
	var names []string
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	want := "[millrace-backup.json acme/tenant.json acme/history/00000001.ndjson acme/history/00000002.ndjson acme/SHA256SUMS SHA256SUMS]"
	if fmt.Sprint(names) != want {
		t.Errorf("tar lists %v", names)
	}
}

// TestEveryByteCounts changes each byte of a file, and cuts it at each.
func TestEveryByteCounts(t *testing.T) {
	file := write(t, "acme", "beta")
	for i := range file {
		for _, flip := range []byte{1, 0x80} {
			bad := bytes.Clone(file)
			bad[i] ^= flip
			if _, err := read(bad); !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrFormat) {
				t.Fatalf("byte %d of %d changed: %v", i, len(file), err)
			}
		}
		if _, err := read(file[:i]); !errors.Is(err, backup.ErrDamaged) {
			t.Fatalf("cut at %d of %d: %v", i, len(file), err)
		}
	}
	if _, err := read(append(bytes.Clone(file), 0)); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("a byte more: %v", err)
	}
}

// TestASectionIsWholeBeforeItIsTrusted: the part that ends a section does not come after a damaged one.
func TestASectionIsWholeBeforeItIsTrusted(t *testing.T) {
	file := write(t, "acme", "beta")
	at := bytes.Index(file, []byte("\x00asm"))
	file[at] = 1
	parts, err := read(file)
	if !errors.Is(err, backup.ErrDamaged) || !strings.Contains(err.Error(), "sums of beta") {
		t.Errorf("error %v", err)
	}
	if all := strings.Join(parts, " "); !strings.Contains(all, "acme/SHA256SUMS") || strings.Contains(all, "beta/SHA256SUMS") {
		t.Errorf("parts %s", all)
	}
}

func TestSectionsCannotBeMixed(t *testing.T) {
	file, other := write(t, "acme", "beta"), write(t, "beta")
	for name, bad := range map[string][]byte{
		"a section twice":          write(t, "acme", "acme"),
		"the end of another file":  append(file[:len(file)-2048:len(file)-2048], other[len(other)-2048:]...),
		"no sections but the head": other[:512],
	} {
		if _, err := read(bad); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	w, err := backup.NewWriter(io.Discard, backup.Head{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct{ tenant, name string }{
		{"acme", "../x"}, {"acme", "SHA256SUMS"}, {"../acme", "tenant.json"}, {"acme", "history/1.ndjson"}, {"", "tenant.json"},
	} {
		if err := w.Part(p.tenant, p.name, nil); err == nil {
			t.Errorf("a part %s of %s is taken", p.name, p.tenant)
		}
	}
	if err := w.EndTenant(); err == nil {
		t.Error("a section ends that has not begun")
	}
	if err := w.Part("acme", "tenant.json", nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Part("beta", "tenant.json", nil); err == nil {
		t.Error("a section begins within another")
	}
	if err := w.Close(); err == nil {
		t.Error("a file ends within a section")
	}
	if err := w.Part("acme", "kv/00000001.ndjson", make([]byte, backup.MaxPartBytes+1)); err == nil {
		t.Error("a part is taken that no reader would")
	}
}

// FuzzReader reads foreign bytes. What is taken is what Writer would have written, to the byte.
func FuzzReader(f *testing.F) {
	f.Add(write(f))
	f.Add(write(f, "acme", "beta"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := backup.NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		var again bytes.Buffer
		w, err := backup.NewWriter(&again, r.Head)
		if err != nil {
			t.Fatal(err)
		}
		for {
			p, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return
			}
			if p.Name == backup.SumsName {
				err = w.EndTenant()
			} else {
				err = w.Part(p.Tenant, p.Name, p.Data)
			}
			if err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if headOf(file) == headOf(again.Bytes()) && !bytes.Equal(file, again.Bytes()) {
			t.Error("a file was read that Writer would not have written")
		}
	})
}

// headOf is the head's JSON, of which there may be more than one form.
func headOf(file []byte) string {
	_, rest, _ := bytes.Cut(file[512:], []byte("{"))
	head, _, _ := bytes.Cut(rest, []byte{0})
	return string(head)
}
