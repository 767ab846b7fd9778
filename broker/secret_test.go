package broker_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
)

const plain = "sk-this-is-the-secret-value"

// search returns the files below dir that hold text.
func search(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), text) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	ctx := within(t)
	tenant(t, b, "acme", broker.Spec{})
	tenant(t, b, "other", broker.Spec{})
	for _, value := range []string{"first", plain} {
		if err := b.PutSecret(ctx, "acme", "key", []byte(value)); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Secret(ctx, "acme", "key", "a.example"); got != value || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if v, _ := b.View(ctx, "acme"); len(v.Secrets) != 1 || v.Secrets["key"].Put.IsZero() || strings.Contains(fmt.Sprintf("%+v", v), plain) {
		t.Errorf("the view has %+v", v.Secrets)
	}
	stop()
	if found := search(t, storedIn(dir), plain); len(found) != 0 {
		t.Errorf("the value is in %q", found)
	}
	if len(search(t, storedIn(dir), "secrets.acme.key")) == 0 {
		t.Error("nor is its record, so this shows nothing")
	}
	b, _ = start(t, broker.Config{Dir: dir})
	if got, err := b.Secret(ctx, "acme", "key", "a.example"); got != plain || err != nil {
		t.Errorf("after a restart %q, %v", got, err)
	}
	if err := b.DeleteSecret(ctx, "acme", "key"); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct{ tenant, name string }{{"acme", "key"}, {"other", "key"}, {"acme", "No.Name"}} {
		if _, err := b.Secret(ctx, tt.tenant, tt.name, "a.example"); !errors.Is(err, broker.ErrNotFound) || !errors.Is(err, source.ErrNoSecret) {
			t.Errorf("%s of %s: %v", tt.name, tt.tenant, err)
		}
	}
	if err := b.DeleteSecret(ctx, "acme", "key"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestASecretOpensNowhereElse(t *testing.T) {
	b, _ := start(t, broker.Config{})
	ctx := within(t)
	for _, name := range []string{"acme", "other"} {
		tenant(t, b, name, broker.Spec{})
	}
	if err := b.PutSecret(ctx, "acme", "key", []byte(plain)); err != nil {
		t.Fatal(err)
	}
	b.CopyRecord(ctx, t, "secrets.acme.key", "secrets.acme.copy")
	b.CopyRecord(ctx, t, "secrets.acme.key", "secrets.other.key")
	for _, tt := range []struct{ tenant, name string }{{"acme", "copy"}, {"other", "key"}} {
		if got, err := b.Secret(ctx, tt.tenant, tt.name, "a.example"); err == nil || strings.Contains(err.Error(), plain) {
			t.Errorf("%s of %s: %q, %v", tt.name, tt.tenant, got, err)
		}
	}
}

func TestBoundsOfSecrets(t *testing.T) {
	b, _ := start(t, broker.Config{})
	ctx := within(t)
	tenant(t, b, "acme", broker.Spec{})
	if err := b.PutSecret(ctx, "acme", "big", make([]byte, broker.MaxSecretBytes+1)); !errors.Is(err, broker.ErrTooBig) {
		t.Errorf("one byte over: %v", err)
	}
	if err := b.PutSecret(ctx, "acme", "big", make([]byte, broker.MaxSecretBytes)); err != nil {
		t.Errorf("as big as can be: %v", err)
	}
	var bad *broker.InvalidError
	if err := b.PutSecret(ctx, "acme", "No.Name", nil); !errors.As(err, &bad) {
		t.Errorf("bad name: %v", err)
	}
	for i := range broker.MaxSecrets - 1 {
		if err := b.PutSecret(ctx, "acme", fmt.Sprint("s", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.PutSecret(ctx, "acme", "more", nil); !errors.Is(err, broker.ErrQuota) {
		t.Errorf("one more: %v", err)
	}
	if err := b.PutSecret(ctx, "nobody", "key", nil); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("tenant that is not there: %v", err)
	}
}

func TestASecretOfSomeHostsGoesToNoOthers(t *testing.T) {
	b, _ := start(t, broker.Config{})
	ctx := within(t)
	tenant(t, b, "acme", broker.Spec{})
	if err := b.PutSecret(ctx, "acme", "key", []byte(plain), "a.example", "*.b.example"); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{"a.example": true, "x.a.example": false, "x.b.example": true, "b.example": false, "evil.example": false, "": false} {
		got, err := b.Secret(ctx, "acme", "key", host)
		if want && (got != plain || err != nil) || !want && (got != "" || !errors.Is(err, abi.Denied)) {
			t.Errorf("for %q: %q, %v", host, got, err)
		}
	}
	if v, _ := b.View(ctx, "acme"); !slices.Equal(v.Secrets["key"].Hosts, []string{"a.example", "*.b.example"}) {
		t.Errorf("the view has %+v", v.Secrets)
	}
	if err := b.PutSecret(ctx, "acme", "key", []byte(plain)); err != nil { // for all again
		t.Fatal(err)
	}
	if got, err := b.Secret(ctx, "acme", "key", "evil.example"); got != plain || err != nil {
		t.Errorf("without hosts: %q, %v", got, err)
	}
	var bad *broker.InvalidError
	if err := b.PutSecret(ctx, "acme", "key", nil, "https://a.example"); !errors.As(err, &bad) || bad.Field != "hosts" {
		t.Errorf("a host that is none: %v", err)
	}
}
