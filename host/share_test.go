package host

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/abi"
)

func TestShareCharges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Host{config: Config{CPUShare: 0.5}}
		s := h.NewShare()
		charge := func(d, want time.Duration) {
			t.Helper()
			if got := s.charge(d); got.Round(time.Microsecond) != want {
				t.Errorf("charged %v: wait %v, want %v", d, got, want)
			}
		}
		charge(500*time.Millisecond, 0) // what there is in advance
		charge(10*time.Millisecond, 20*time.Millisecond)
		time.Sleep(20 * time.Millisecond)
		charge(0, 0)
		charge(time.Second, 2*time.Second)
		time.Sleep(time.Second)
		charge(0, time.Second)
		time.Sleep(1000 * time.Hour)
		charge(500*time.Millisecond, 0) // no more than a second's worth
		charge(time.Millisecond, 2*time.Millisecond)
	})
}

func TestShareStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Host{config: Config{CPUShare: 1, StoreBytes: 1000}}
		s := h.NewShare()
		store := func(bytes int, want error) {
			t.Helper()
			if got := s.store(bytes); got != want {
				t.Errorf("stored %d bytes: %v, want %v", bytes, got, want)
			}
		}
		store(600, nil)
		store(500, abi.Limit)
		store(400, nil)
		store(1, abi.Limit)
		time.Sleep(500 * time.Millisecond)
		store(500, nil)
		time.Sleep(time.Hour)
		store(1000, nil) // no more than a second's worth
		store(1, abi.Limit)
	})
}
