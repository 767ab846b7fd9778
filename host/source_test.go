package host_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

func TestSourceCallbacks(t *testing.T) {
	send, receive := use{"send", []any{"a", "n", "i"}}, use{"receive", []any{0, 64, 200, -1}}
	sent := []abi.Event{{Data: "a", Name: "n", ID: "i"}}
	event := &abi.Event{Data: "hello"}
	for _, tt := range []struct {
		name     string
		callback string
		event    *abi.Event
		uses     []use
		result   int
		want     host.Outcome
		code     int32   // of a *CallbackError; 0 is none
		reports  []int32 // of the uses
	}{
		{"onRequestStart sends nothing", abi.OnRequestStart, nil, []use{send, receive}, 0, host.Outcome{}, 0, []int32{-8, -1}},
		{"onChunk receives its event, once", abi.OnChunk, event, []use{receive, receive, send}, 0, host.Outcome{Outputs: sent}, 0, []int32{45, -1, 0}},
		{"onChunk is no place to wait", abi.OnChunk, event, []use{{"sleep", []any{1}}, {"comment", []any{"a"}}}, 0, host.Outcome{}, 0, []int32{-8, -8}},
		{"onChunk succeeds with any number from 0 up", abi.OnChunk, event, nil, 7, host.Outcome{}, 0, nil},
		{"onChunk fails below 0", abi.OnChunk, event, []use{send}, -3, host.Outcome{}, -3, []int32{0}},
		{"onComplete sends", abi.OnComplete, nil, []use{receive, send, {"close", nil}}, 0, host.Outcome{Outputs: sent, Close: true}, 0, []int32{-1, 0, 0}},
		{"onError leaves it to the policy", abi.OnError, nil, []use{send}, 0, host.Outcome{Outputs: sent}, 0, []int32{0}},
		{"onError says how long to wait", abi.OnError, nil, nil, 1500, host.Outcome{Result: 1500}, 0, nil},
		{"onError fails below 0", abi.OnError, nil, nil, -1, host.Outcome{}, -1, nil},
		{"onEvent passes", abi.OnEvent, event, []use{send}, 1, host.Outcome{Outputs: sent, Pass: true}, 0, []int32{0}},
		{"onEvent has no other result", abi.OnEvent, event, nil, 2, host.Outcome{}, 2, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newModule()
			m.imported("kvPut")
			for _, u := range tt.uses {
				m.imported(u.name)
			}
			s := set(t, host.Config{}, m.export(tt.callback, append(m.uses(tt.uses), i32(tt.result))...).bytes())
			for range 2 {
				s.tenant.results = nil
				got, err := s.plugin.Source(t.Context(), s.session(), tt.callback, tt.event)
				var failed *host.CallbackError
				if errors.As(err, &failed) != (tt.code != 0) || failed != nil && (failed.Code != tt.code || failed.Callback != tt.callback) || failed == nil && err != nil {
					t.Errorf("error is %v, want code %d", err, tt.code)
				}
				if !reflect.DeepEqual(got, tt.want) {
					t.Errorf("outcome is %+v, want %+v", got, tt.want)
				}
				if got := s.tenant.reported(); !slices.Equal(got, tt.reports) && len(got)+len(tt.reports) > 0 {
					t.Errorf("results are %v, want %v", got, tt.reports)
				}
			}
		})
	}
}

func TestSourceTellsItsResponse(t *testing.T) {
	s := set(t, host.Config{}, using(abi.OnChunk, use{"response", []any{0, 64, 0}}, use{"response", []any{0, 64, 200}}).bytes())
	session := s.session()
	for status, want := range map[int]int32{200: 44, 0: 31} {
		s.tenant.results = nil
		session.Response = &abi.Response{URL: "http://a", Status: status}
		if _, err := s.plugin.Source(t.Context(), session, abi.OnChunk, &abi.Event{}); err != nil {
			t.Error(err)
		}
		if got := s.tenant.reported(); !slices.Equal(got, []int32{want, want}) {
			t.Errorf("results are %v, want %d twice", got, want)
		}
	}
}

// TestSourceKeepsItsMemory counts in one callback and sends in another.
func TestSourceKeepsItsMemory(t *testing.T) {
	m := newModule()
	send := m.imported("send")
	count := slices.Concat(i32(0), i32(0), load, i32(1), []byte{0x6a, 0x36, 2, 0}) // memory[0]++
	m.export(abi.OnRequestStart, count, i32(0))
	m.export(abi.OnChunk, count, i32(0))
	m.text("xxxxxxxx")
	m.export(abi.OnComplete, i32(dataAt), i32(0), load, i32(0), i32(0), i32(0), i32(0), call(send))
	s := set(t, host.Config{}, m.bytes())
	for _, callback := range []string{abi.OnRequestStart, abi.OnChunk, abi.OnChunk} {
		if _, err := s.plugin.Source(t.Context(), s.session(), callback, nil); err != nil {
			t.Error(err)
		}
	}
	o, err := s.plugin.Source(t.Context(), s.session(), abi.OnComplete, nil)
	if err != nil || len(o.Outputs) != 1 || o.Outputs[0].Data != "xxx" {
		t.Errorf("outcome is %+v, %v, want what three calls have counted", o, err)
	}
	if n := s.host.Stats().Instances; n != 1 {
		t.Errorf("%d instances for one source", n)
	}
}

func TestSourceHasNoOtherCallback(t *testing.T) {
	s := set(t, host.Config{}, newModule().export(abi.OnStream, i32(0)).export(abi.OnChunk, unreachable).bytes())
	for _, callback := range []string{abi.OnStream, abi.OnError, abi.Initialize, ""} {
		if _, err := s.plugin.Source(t.Context(), s.session(), callback, nil); !errors.Is(err, host.ErrNoCallback) {
			t.Errorf("%q: %v, want ErrNoCallback", callback, err)
		}
	}
	_, err := s.plugin.Source(t.Context(), s.session(), abi.OnChunk, nil)
	wantTrap(t, err, "", "unreachable")
}
