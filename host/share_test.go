package host

import (
	"testing"
	"testing/synctest"
	"time"
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
