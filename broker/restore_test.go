package broker_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/backup"
)

func TestRestoreIntoAnotherInstallation(t *testing.T) {
	from, _ := start(t, broker.Config{})
	furnish(t, from, 100)
	before, err := from.View(within(t), "acme")
	if err != nil {
		t.Fatal(err)
	}
	file := backUp(t, from, broker.BackupOptions{Key: newKey(t)})
	if bytes.Contains(file, []byte(plain)) {
		t.Error("the secret is in the file as it is")
	}
	to, _ := start(t, broker.Config{})
	done := restore(t, to, "acme", file, broker.RestoreOptions{Key: newKey(t)})
	if done.Events != 100 || done.Last != 100 || done.Secrets != 1 || done.Values != 3 {
		t.Errorf("restored %+v", done)
	}
	v, err := to.View(within(t), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]any{
		"spec": {before.Tenant.Spec, v.Tenant.Spec}, "tokens": {before.Tokens, v.Tokens},
		"plugins": {before.Plugins, v.Plugins}, "routes": {before.Routes, v.Routes}, "secrets": {before.Secrets, v.Secrets},
	} {
		if was, is := fmt.Sprint(pair[0]), fmt.Sprint(pair[1]); was != is {
			t.Errorf("%s were\n%s\nand are\n%s", what, was, is)
		}
	}
	if got, err := to.PluginBytes(within(t), before.Plugins["p"].Versions[1].Digest); string(got) != "first" || err != nil {
		t.Errorf("bytes of the first version: %q, %v", got, err)
	}
	if got, err := to.Secret(within(t), "acme", "key", "a.example"); got != plain || err != nil {
		t.Errorf("secret: %q, %v", got, err)
	}
	for key, want := range map[string]string{"k1": "new", "k2": "binary \xff\x00", "ttl": "short"} {
		if got, err := to.KVGet(within(t), "acme", key); string(got) != want || err != nil {
			t.Errorf("value of %s: %q, %v", key, got, err)
		}
	}
	if _, err := to.KVGet(within(t), "acme", "gone"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("deleted key: %v", err)
	}
	if v := upload(t, to, "acme", "p", "third"); v.Version != 3 {
		t.Errorf("the next version is %d", v.Version)
	}
}

// starts tells what a viewer gets who comes back with an id.
func starts(t *testing.T, b *broker.Broker, name, id string) broker.Start {
	t.Helper()
	s := subscribe(t, b, name, broker.From{After: id}, "news")
	defer s.Close()
	return s.Start()
}

func TestIdsOutliveARestore(t *testing.T) {
	b, _ := start(t, broker.Config{})
	furnish(t, b, 10)
	file := backUp(t, b, broker.BackupOptions{})
	var later []broker.Position
	for i := range 5 { // the installation goes on
		later = append(later, publish(t, b, "acme", "news", fmt.Sprint("of the first life ", i)))
	}
	old := later[0].Epoch
	restore(t, b, "acme", file, broker.RestoreOptions{Replace: true, WithoutSecrets: true})
	first := publish(t, b, "acme", "news", "of the second life")
	if first.Epoch == old || first.Seq != 11 {
		t.Fatalf("first event after the restore is %s, the old history was %s", first, old)
	}
	for _, tt := range []struct {
		name, id string
		want     string // the position that it begins after
		reset    bool
	}{
		{"an id of an event in the backup", old + "-4", first.Epoch + "-4", false},
		{"one between outputs", old + "-4.2", first.Epoch + "-4.2", false},
		{"the last one", old + "-10", first.Epoch + "-10", false},
		{"one that was given after the backup", old + "-11", first.Epoch + "-11", true},
		{"one of the new history", first.String(), first.String(), false},
		{"one that it has not given yet", first.Epoch + "-12", first.String(), true},
	} {
		if got := starts(t, b, "acme", tt.id); got.Position.String() != tt.want || got.Reset != tt.reset || got.Gap {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
	sub := subscribe(t, b, "acme", broker.From{After: old + "-8"}, "news")
	var got []string
	for _, e := range readTo(t, sub, first) {
		got = append(got, e.Data)
	}
	if fmt.Sprint(got) != "[event 9 event 10 of the second life]" {
		t.Errorf("after %s-8 there is %v", old, got)
	}
	// And once more: ids of all lives are good as far as they are behind what is restored.
	again := backUp(t, b, broker.BackupOptions{})
	second := publish(t, b, "acme", "news", "lost again")
	restore(t, b, "copy", again, broker.RestoreOptions{WithoutSecrets: true})
	third := publish(t, b, "copy", "news", "of the third life")
	for id, reset := range map[string]bool{
		old + "-10": false, old + "-11": true, first.String(): false, second.String(): true, third.String(): false,
	} {
		if got := starts(t, b, "copy", id); got.Reset != reset {
			t.Errorf("%s after two restores: %+v", id, got)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	from, _ := start(t, broker.Config{})
	furnish(t, from, 10)
	file, sealed := backUp(t, from, broker.BackupOptions{}), backUp(t, from, broker.BackupOptions{Key: newKey(t)})
	other, err := backup.NewKey(bytes.Repeat([]byte("x"), 40))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(file)
	flipped[len(flipped)-3000] ^= 1
	no := errors.New("no")
	to, _ := start(t, broker.Config{})
	tenant(t, to, "there", broker.Spec{})
	for _, tt := range []struct {
		name, tenant string
		file         []byte
		options      broker.RestoreOptions
		want         error
	}{
		{"a tenant that exists", "there", file, broker.RestoreOptions{}, broker.ErrExists},
		{"sealed secrets without the key", "acme", sealed, broker.RestoreOptions{}, broker.ErrKey},
		{"with another key", "acme", sealed, broker.RestoreOptions{Key: other}, broker.ErrKey},
		{"a file that was cut off", "acme", file[:len(file)-1024], broker.RestoreOptions{}, backup.ErrDamaged},
		{"in the middle", "acme", file[:len(file)/2], broker.RestoreOptions{}, backup.ErrDamaged},
		{"one byte is another", "acme", flipped, broker.RestoreOptions{}, backup.ErrDamaged},
		{"what damaged, in place of a tenant", "there", flipped, broker.RestoreOptions{Replace: true}, backup.ErrDamaged},
		{"what the caller refuses", "there", file, broker.RestoreOptions{Replace: true, Check: func(*broker.View) error { return no }}, no},
	} {
		_, err := to.Restore(within(t), tt.tenant, bytes.NewReader(tt.file), tt.options)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, err := to.View(within(t), "acme"); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("%s: there is a tenant now: %v", tt.name, err)
		}
		if _, err := to.View(within(t), "there"); err != nil {
			t.Errorf("%s: the other tenant: %v", tt.name, err)
		}
		if left := to.Streams(t); left != 0 {
			t.Errorf("%s: %d streams are left", tt.name, left)
		}
	}
	restore(t, to, "acme", sealed, broker.RestoreOptions{Key: newKey(t)})
}

// breaking reads up to a point and then calls meet, once, and goes on or fails as that says.
type breaking struct {
	r    io.Reader
	left int
	meet func() error
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.left == 0 && b.meet != nil {
		meet := b.meet
		b.meet = nil
		if err := meet(); err != nil {
			return 0, err
		}
	}
	if b.meet != nil {
		p = p[:min(len(p), b.left)]
	}
	n, err := b.r.Read(p)
	b.left = max(0, b.left-n)
	return n, err
}

// TestARestoreThatIsCutOff: what it has made by then goes, at once or with the next start, and it can be
// repeated.
func TestARestoreThatIsCutOff(t *testing.T) {
	from, _ := start(t, broker.Config{})
	furnish(t, from, 10)
	fill(t, from, "acme", 20_000, 1, 200)
	file := backUp(t, from, broker.BackupOptions{})
	dir := t.TempDir()
	to, stop := start(t, broker.Config{Dir: dir})
	cut := errors.New("cut")
	seen := false
	_, err := to.Restore(within(t), "acme", &breaking{bytes.NewReader(file), len(file) * 9 / 10, func() error {
		seen = to.Streams(t) > 0
		return cut
	}}, broker.RestoreOptions{})
	if !errors.Is(err, cut) || !seen {
		t.Errorf("restored: %v; something was made: %t", err, seen)
	}
	if n := to.Streams(t); n != 0 {
		t.Errorf("%d streams are left", n)
	}
	// The same by the end of the process, which removes nothing.
	_, err = to.Restore(within(t), "acme", &breaking{bytes.NewReader(file), len(file) * 9 / 10, func() error {
		to.KeepStages(t)
		return cut
	}}, broker.RestoreOptions{})
	if !errors.Is(err, cut) || to.Streams(t) == 0 {
		t.Fatalf("restored: %v", err)
	}
	stop()
	to, _ = start(t, broker.Config{Dir: dir})
	for to.Streams(t) > 0 {
		if err := to.Check(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := to.View(within(t), "acme"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("after the next start: %v", err)
	}
	if done := restore(t, to, "acme", file, broker.RestoreOptions{WithoutSecrets: true}); done.Events != 20_010 {
		t.Errorf("repeated, it restores %+v", done)
	}
}

// TestASenderMayPause: for longer than the server waits for a restore by itself, which is five seconds.
func TestASenderMayPause(t *testing.T) {
	b, _ := start(t, broker.Config{})
	furnish(t, b, 10)
	fill(t, b, "acme", 20_000, 1, 200)
	file := backUp(t, b, broker.BackupOptions{})
	done := restoreFrom(t, b, "copy", &breaking{bytes.NewReader(file), len(file) * 9 / 10, func() error {
		<-time.After(7 * time.Second)
		return nil
	}}, broker.RestoreOptions{})
	if done.Events != 20_010 {
		t.Errorf("restored %+v", done)
	}
}

func testRestoreToAll(t *testing.T, c *nodes) {
	alone, _ := start(t, broker.Config{})
	furnish(t, alone, 1000)
	file := backUp(t, alone, broker.BackupOptions{Key: newKey(t)})
	id := starts(t, alone, "acme", "").Position
	id.Seq = 990
	for i, name := range []string{"one-to-three", "again"} {
		restore(t, c.brokers[i], name, file, broker.RestoreOptions{Key: newKey(t)})
		if i > 0 { // and from these, in its own place
			var again bytes.Buffer
			if err := c.brokers[2].Backup(within(t), name, broker.BackupOptions{Key: newKey(t)}, &again); err != nil {
				t.Fatal(err)
			}
			restore(t, c.brokers[0], name, again.Bytes(), broker.RestoreOptions{Key: newKey(t), Replace: true})
		}
		for n, b := range c.brokers {
			if v, err := b.Fresh(within(t), name); err != nil || len(v.Routes) != 1 || len(v.Plugins["p"].Versions) != 2 {
				t.Errorf("node %d has %+v, %v", n, v, err)
			}
			if got, err := b.Secret(within(t), name, "key", "a.example"); got != plain || err != nil {
				t.Errorf("node %d has the secret %q, %v", n, got, err)
			}
			if got, err := b.KVGet(within(t), name, "k1"); string(got) != "new" || err != nil {
				t.Errorf("node %d has the value %q, %v", n, got, err)
			}
			s := subscribe(t, b, name, broker.From{After: id.String()}, "news")
			if got := readTo(t, s, broker.Position{Seq: 1000}); len(got) != 10 || got[0].Data != "event 991" {
				t.Errorf("node %d goes on with %d events", n, len(got))
			}
			s.Close()
			for stream, lacks := range b.Replicas(within(t), t, name) {
				if len(lacks) != 2 {
					t.Errorf("node %d knows of other copies of %s: %v", n, stream, lacks)
				}
			}
		}
	}
}
