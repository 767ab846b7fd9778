package host

import (
	"testing"
	"time"
)

func TestMeterMeasures(t *testing.T) {
	const ms = time.Millisecond
	at := func(wall, spent time.Duration, thread int) reading { return reading{wall, spent, thread} }
	alone := meter{grant: 1e6, rate: 1}
	for _, tt := range []struct {
		name              string
		meter             meter
		now               reading
		measured, counted time.Duration
		next              int64 // grant
	}{
		{"the first grant has no past", meter{}, at(time.Hour, time.Hour, 0), 0, 0, 1_000_000},
		{"alone it is what the thread took", alone, at(5*ms, 2*ms, 0), 2 * ms, 2 * ms, 500_000},
		{"a slow guest gets less", alone, at(100*ms, 100*ms, 0), 100 * ms, 4 * ms, minGrant},
		{"a fast guest gets more, within bounds", alone, at(ms, ms/100, 0), ms / 100, ms / 100, maxGrant},
		{"never is it more than the wall clock's", alone, at(ms, 50*ms, 0), ms, ms, 1_000_000},
		{"never is it less than nothing", alone, at(ms, -50*ms, 0), 0, 0, maxGrant},
		{"calls of the host are not the guest's speed", meter{grant: 1e6, rate: 1, calls: 10_000}, at(2*ms, 2*ms, 0), 2 * ms, 2 * ms, 1_000_000},
		{"after a wait a thread that did much is not believed", meter{grant: 1e6, rate: 1, parked: true}, at(time.Hour, time.Hour, 0), 10 * ms, 4 * ms, 1_000_000},
		{"after a wait another thread is not believed", meter{grant: 1e6, rate: 1, parked: true}, at(time.Hour, -time.Hour, 0), ms / 10, ms / 10, 1_000_000},
		{"nor is one without a wait", alone, at(time.Hour, time.Hour, 1), 10 * ms, 4 * ms, 1_000_000},
		{"what others did on the thread does not count", alone, at(time.Hour, 100*ms, 0), 100 * ms, 4 * ms, minGrant},
		{"what a grant is likely to take counts, however much", meter{grant: 2e6, rate: 0.02}, at(time.Hour, 300*ms, 0), 300 * ms, 300 * ms, minGrant},
		{"a guest that was fast counts while it is slow", meter{grant: 2e6, rate: 10}, at(40*ms, 40*ms, 0), 40 * ms, 4 * ms, 50_000},
	} {
		last, grant := tt.meter.next(tt.now)
		if last != (took{tt.measured, tt.counted}) || grant != tt.next {
			t.Errorf("%s: it took %v, want %v and %v; next grant %d, want %d", tt.name, last, tt.measured, tt.counted, grant, tt.next)
		}
	}
}
