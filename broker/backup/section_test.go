package backup_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/backup"
)

func TestMessagesAreKeptAsTheyAre(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	for _, m := range []backup.Message{
		{Seq: 1, Time: at, Subject: "ev.a", Data: []byte("plain <&> text\n\x00")},
		{Seq: 2, Time: at, Subject: "ev.a", Header: map[string][]string{"A": {"1", "2"}}, Data: []byte{}},
		{Seq: 3, Time: at, Subject: "ev.a", Data: []byte{0xff, 0, 1}},
		{Seq: 1 << 63, Time: at, Subject: "$KV.KV.x", Data: []byte("\u2028")},
	} {
		var file bytes.Buffer
		w, err := backup.NewWriter(&file, backup.Head{})
		if err != nil {
			t.Fatal(err)
		}
		lines := w.NewLines("acme", backup.HistoryFolder)
		if err := errors.Join(lines.AddMessage(m), lines.Close(), w.EndTenant(), w.Close()); err != nil {
			t.Fatal(err)
		}
		r, err := backup.NewReader(&file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		err = backup.EachMessage(p, func(got backup.Message) error {
			if !reflect.DeepEqual(got, m) {
				t.Errorf("%s is read as %+v; it was %+v", p.Data, got, m)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	for _, line := range []string{`{"seq":1}`, `{"data":"a","base64":"YQ=="}`, `{"base64":"?"}`} {
		err := backup.EachMessage(backup.Part{Data: []byte(line)}, func(backup.Message) error { return nil })
		if !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestLinesAreParts(t *testing.T) {
	var file bytes.Buffer
	w, err := backup.NewWriter(&file, backup.Head{})
	if err != nil {
		t.Fatal(err)
	}
	lines := w.NewLines("acme", backup.HistoryFolder)
	data := bytes.Repeat([]byte("x"), 1<<20)
	const n = 10
	for i := range n {
		if err := lines.AddMessage(backup.Message{Seq: uint64(i + 1), Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(lines.Close(), w.EndTenant(), w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := backup.NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	seq, parts := uint64(0), 0
	for {
		p, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.Name == backup.SumsName {
			continue
		}
		parts++
		err = backup.EachMessage(p, func(m backup.Message) error {
			if seq++; m.Seq != seq || len(m.Data) != len(data) {
				return fmt.Errorf("message %d is %d", seq, m.Seq)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seq != n || parts < 2 {
		t.Errorf("%d messages in %d parts", seq, parts)
	}
	if err := backup.EachLine(backup.Part{Data: []byte("{}\n?\n")}, func(backup.Record) error { return nil }); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("a line that is no JSON: %v", err)
	}
}

func TestSealedSecrets(t *testing.T) {
	if _, err := backup.NewKey([]byte("too short to be random")); err == nil {
		t.Error("a short key is taken")
	}
	key, err := backup.NewKey(bytes.Repeat([]byte("a"), 32))
	if err != nil {
		t.Fatal(err)
	}
	other, err := backup.NewKey(bytes.Repeat([]byte("b"), 32))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Seal("section", "name", []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := key.Open("section", "name", sealed); string(got) != "value" || err != nil {
		t.Errorf("opened %q, %v", got, err)
	}
	for what, open := range map[string]func() ([]byte, error){
		"another key":     func() ([]byte, error) { return other.Open("section", "name", sealed) },
		"another section": func() ([]byte, error) { return key.Open("other", "name", sealed) },
		"another name":    func() ([]byte, error) { return key.Open("section", "other", sealed) },
		"nothing":         func() ([]byte, error) { return key.Open("section", "name", nil) },
	} {
		if got, err := open(); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("with %s it opens: %q, %v", what, got, err)
		}
	}
	section := backup.Tenant{ID: "id", KeyCheck: key.Check("id")}
	if !key.Fits(section) || other.Fits(section) {
		t.Error("it is not told which key fits")
	}
	again, err := backup.ParseKey(key.Text())
	if err != nil || !again.Fits(section) {
		t.Errorf("a key does not outlive its text: %v", err)
	}
	for _, shown := range []string{fmt.Sprint(key), fmt.Sprintf("%#v %+v", key, key), key.LogValue().String()} {
		if strings.Contains(shown, key.Text()) || strings.Contains(shown, "[]byte") {
			t.Errorf("a key shows itself: %s", shown)
		}
	}
}
