package broker

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestWhoseClockIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name   string
		others []time.Duration // how far their clocks are ahead
		want   time.Duration
	}{
		{"nobody else", nil, 0},
		{"all alike", []time.Duration{0, 0}, 0},
		{"one of the others", []time.Duration{time.Hour, 0}, 0},
		{"this one is behind", []time.Duration{time.Hour, time.Hour}, time.Hour},
		{"this one is ahead", []time.Duration{-time.Hour, -time.Hour}, -time.Hour},
		{"of two, either", []time.Duration{time.Hour}, 0},
		{"of two, either, behind", []time.Duration{-time.Hour}, 0},
		{"this one of five", []time.Duration{time.Hour, time.Hour, 0, time.Hour}, time.Hour},
	} {
		seen := clocks{"dead": 1000 * time.Hour, "self": 5 * time.Hour}
		live := []string{"self", "silent"}
		for i, ahead := range tt.others {
			node := fmt.Sprint("other", i)
			at := time.Now().Add(ahead).UnixNano()
			seen.saw(node, &nats.Msg{Header: nats.Header{timeHeader: {fmt.Sprint(at)}}}, time.Now())
			live = append(live, node)
		}
		seen.saw("silent", &nats.Msg{}, time.Now())
		if got := seen.offset("self", live); (got - tt.want).Abs() > time.Minute {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
