package broker_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/millrace/millrace/broker"
)

// TestRestoresAndOthersOfOneName: whoever is last with a name has it, whole, and nothing of the others is
// left in it.
func TestRestoresAndOthersOfOneName(t *testing.T) {
	from, _ := start(t, broker.Config{})
	furnish(t, from, 50)
	file := backUp(t, from, broker.BackupOptions{})
	b, _ := start(t, broker.Config{})
	for range 10 {
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				_, err := b.Restore(within(t), "acme", bytes.NewReader(file), broker.RestoreOptions{Replace: i == 0})
				for _, known := range []error{nil, broker.ErrExists, broker.ErrConflict, broker.ErrLost, broker.ErrNotFound} {
					if errors.Is(err, known) {
						return
					}
				}
				t.Errorf("restore: %v", err)
			})
		}
		wg.Go(func() {
			if _, _, err := b.PutTenant(within(t), "acme", broker.Spec{}); err != nil && !errors.Is(err, broker.ErrConflict) && !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("put: %v", err)
			}
		})
		wg.Wait()
		v, err := b.Fresh(within(t), "acme")
		if errors.Is(err, broker.ErrNotFound) {
			continue // each made the other give up
		}
		if err != nil {
			t.Fatal(err)
		}
		have := fmt.Sprint(len(v.Tenant.Hosts), len(v.Tokens), len(v.Plugins), len(v.Routes))
		if have != "1 1 1 1" && have != "0 0 0 0" {
			t.Errorf("the tenant is a mix: hosts, tokens, plugins, routes: %s", have)
		}
		if len(v.Plugins) > 0 {
			for _, version := range v.Plugins["p"].Versions {
				if _, err := b.PluginBytes(within(t), version.Digest); err != nil {
					t.Error(err)
				}
			}
		}
		if err := b.DeleteTenant(within(t), "acme"); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.PutTenant(within(t), "acme", broker.Spec{}); err != nil {
		t.Fatal(err)
	}
	if v, err := b.Fresh(within(t), "acme"); err != nil || len(v.Tokens)+len(v.Plugins)+len(v.Routes) > 0 {
		t.Errorf("a new tenant has %+v, %v", v, err)
	}
	if n := b.Streams(t); n != 0 {
		t.Errorf("%d streams are left", n)
	}
}
