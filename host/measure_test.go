package host

import (
	"testing"
	"time"
)

func TestMeterMeasures(t *testing.T) {
	const ms = time.Millisecond
	at := func(wall, thread time.Duration) reading { return reading{wall, thread} }
	for _, tt := range []struct {
		name        string
		meter       meter
		now         reading
		spent       time.Duration
		least, most int64 // of the next grant
	}{
		{"the first grant has no past", meter{}, at(time.Hour, time.Hour), 0, 1_000_000, 1_000_000},
		{"alone it is what the thread took", meter{grant: 1e6, rate: 1}, at(5*ms, 2*ms), 2 * ms, 500_000, 500_000},
		{"a slow guest gets less", meter{grant: 1e6, rate: 1}, at(100*ms, 100*ms), 100 * ms, minGrant, minGrant},
		{"a fast guest gets more, within bounds", meter{grant: 1e6, rate: 1}, at(ms, ms/100), ms / 100, maxGrant, maxGrant},
		{"never is it more than the wall clock's", meter{grant: 1e6, rate: 1}, at(ms, 50*ms), ms, 1_000_000, 1_000_000},
		{"never is it less than nothing", meter{grant: 1e6, rate: 1}, at(ms, -50*ms), 0, maxGrant, maxGrant},
		{"calls of the host are not the guest's speed", meter{grant: 1e6, rate: 1, calls: 10_000}, at(2*ms, 2*ms), 2 * ms, 1_000_000, 1_000_000},
		{"after a wait a thread that did much is not believed", meter{grant: 1e6, rate: 1, parked: true}, at(time.Hour, time.Hour), 10 * ms, 1_000_000, 1_000_000},
		{"after a wait another thread is not believed", meter{grant: 1e6, rate: 1, parked: true}, at(time.Hour, -time.Hour), ms / 10, 1_000_000, 1_000_000},
	} {
		spent, grant := tt.meter.next(tt.now)
		if spent != tt.spent || grant < tt.least || grant > tt.most {
			t.Errorf("%s: spent %v, want %v; next grant %d, want %d to %d", tt.name, spent, tt.spent, grant, tt.least, tt.most)
		}
	}
}
