package guest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestKV(t *testing.T) {
	h := &guesttest.Host{KV: map[string][]byte{"there": []byte("before")}}
	get := func(e *guest.Emitter, key, want string) {
		t.Helper()
		got, err := e.KV().Get(key)
		if want == "" && errors.Is(err, abi.NotFound) {
			return
		}
		if err != nil || string(got) != want {
			t.Errorf("Get(%q) = %q, %v, want %q", key, got, err, want)
		}
	}
	stream(t, h, func(e *guest.Emitter) error {
		kv := e.KV()
		get(e, "there", "before")
		get(e, "new", "")
		if err := errors.Join(kv.Put("new", 12.5, 0), kv.Put("short", "bytes \xff", time.Minute), kv.Delete("there"), kv.Delete("never")); err != nil {
			t.Error(err)
		}
		get(e, "new", "12.5")
		get(e, "there", "")
		if err := kv.Put(strings.Repeat("k", abi.MaxKeyBytes+1), 1, 0); !errors.Is(err, abi.TooBig) {
			t.Errorf("Put with a long key: %v, want %v", err, abi.TooBig)
		}
		return e.Sleep(59 * time.Second)
	})
	stream(t, h, func(e *guest.Emitter) error {
		get(e, "new", "12.5")
		get(e, "short", "bytes \xff")
		return nil
	})
	h.Wait(time.Second)
	stream(t, h, func(e *guest.Emitter) error {
		get(e, "short", "")
		return nil
	})
}
