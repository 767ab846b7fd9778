package host_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

// opener opens remotes that give the events of queue, one after the other, and then end with err; or
// wait if that is nil.
type opener struct {
	queue []string
	err   error
	open  error         // what Open returns
	hangs chan struct{} // if not nil Open says so and waits for its context's end

	mu       sync.Mutex
	requests []abi.OpenRequest
	remotes  []*remote
}

func (o *opener) Open(ctx context.Context, r abi.OpenRequest) (host.Remote, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = append(o.requests, r)
	if o.hangs != nil {
		o.hangs <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if o.open != nil {
		return nil, o.open
	}
	one := &remote{ctx: ctx, url: r.URL, queue: slices.Clone(o.queue), err: o.err}
	o.remotes = append(o.remotes, one)
	return one, nil
}

// open is how many remotes are open: not closed, or with a context that has not ended.
func (o *opener) live() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.remotes {
		if r.closes != 1 || r.ctx.Err() == nil {
			n++
		}
	}
	return n
}

type remote struct {
	ctx      context.Context
	url      string
	queue    []string
	err      error
	closes   int
	received int
}

func (r *remote) Receive(ctx context.Context) (*abi.Event, error) {
	if len(r.queue) == 0 {
		if r.err != nil {
			return nil, r.err
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	e := &abi.Event{Data: r.queue[0], Subject: r.url}
	r.queue = r.queue[1:]
	r.received++
	return e, nil
}

func (r *remote) Response() abi.Response {
	return abi.Response{URL: r.url, Status: 200, Events: uint64(r.received)}
}

func (r *remote) Close() { r.closes++ }

const openA = `{"url":"http://a"}`

// TestRemotes makes the functions of remote streams answer every status that they can give.
func TestRemotes(t *testing.T) {
	opens := func(n int) []use { return slices.Repeat([]use{{"open", []any{openA}}}, n) }
	record := int32(abi.RecordHeader + len("hello") + len("http://a"))
	for _, tt := range []struct {
		name   string
		opener *opener // nil: the session has none
		uses   []use
		want   []int32
	}{
		{"without an opener open is UNAVAILABLE", nil, opens(1), []int32{-8}},
		{"handles count from 1", &opener{}, opens(3), []int32{1, 2, 3}},
		{"one stream too many is LIMIT, until one ends", &opener{},
			append(opens(9), use{"end", []any{3}}, use{"open", []any{openA}}, use{"open", []any{openA}}),
			[]int32{1, 2, 3, 4, 5, 6, 7, 8, -5, 0, 9, -5}},
		{"open after close is CLOSED", &opener{}, []use{{"close", nil}, {"open", []any{openA}}}, []int32{0, -1}},
		{"a host that is not allowed is DENIED", &opener{open: fmt.Errorf("host a: %w", abi.Denied)}, opens(2), []int32{-6, -6}},
		{"a failure without status is UNAVAILABLE", &opener{open: errors.New("refused")}, opens(1), []int32{-8}},
		{"a document that is none is INVALID", &opener{}, []use{
			{"open", []any{""}}, {"open", []any{"null"}}, {"open", []any{"{}"}}, {"open", []any{"[1]"}}, {"open", []any{openA + "{}"}},
			{"open", []any{`{"url":"http://a","sse":1}`}}, {"open", []any{`{"url":"http://a","sees":true}`}},
			{"open", []any{`{"url":"http://a","timeout":-1}`}}, {"open", []any{`{"url":"http://` + "\xff" + `"}`}}},
			[]int32{-4, -4, -4, -4, -4, -4, -4, -4, -4}},
		{"a document over the limit is TOO_BIG", &opener{}, []use{{"open", []any{`{"url":"` + strings.Repeat("x", 1000) + `"}`}}}, []int32{-3}},

		{"receive keeps a remote's event that does not fit", &opener{queue: []string{"hello", "world!"}},
			append(opens(2), use{"receive", []any{1, 64, 0, 0}}, use{"receive", []any{2, 64, 200, 0}}, use{"receive", []any{1, 64, 52, -1}},
				use{"receive", []any{1, 64, 53, -1}}, use{"receive", []any{1, 64, 200, -1}}, use{"receive", []any{1, 64, 200, 0}}),
			[]int32{1, 2, record, record, record, record, record + 1, -2}},
		{"receive waits for its timeout", &opener{}, append(opens(1), use{"receive", []any{1, 64, 200, 1}}), []int32{1, -2}},
		{"an orderly end is CLOSED each time", &opener{err: fmt.Errorf("all read: %w", abi.Closed)},
			append(opens(1), use{"receive", []any{1, 64, 200, -1}}, use{"receive", []any{1, 64, 200, 0}}), []int32{1, -1, -1}},
		{"a remote that fails is UNAVAILABLE", &opener{err: errors.New("cut")}, append(opens(1), use{"receive", []any{1, 64, 200, -1}}), []int32{1, -8}},
		{"a remote's own timeout is not TIMEOUT", &opener{err: fmt.Errorf("silent: %w", context.DeadlineExceeded)},
			append(opens(1), use{"receive", []any{1, 64, 200, -1}}), []int32{1, -8}},
		{"a remote that sends too much is TOO_BIG", &opener{err: abi.TooBig}, append(opens(1), use{"receive", []any{1, 64, 200, -1}}), []int32{1, -3}},
		{"an event over the limit is TOO_BIG, and the next comes", &opener{queue: []string{strings.Repeat("x", 501), "hello"}},
			append(opens(1), use{"receive", []any{1, 64, 200, -1}}, use{"receive", []any{1, 64, 200, -1}}), []int32{1, -3, record}},
		{"receive after close is CLOSED", &opener{queue: []string{"hello"}},
			append(opens(1), use{"close", nil}, use{"receive", []any{1, 64, 200, -1}}), []int32{1, 0, -1}},
		{"a handle that was ended is NOT_FOUND", &opener{}, append(opens(1), use{"end", []any{1}}, use{"end", []any{1}},
			use{"receive", []any{1, 64, 200, -1}}, use{"response", []any{1, 64, 200}}, use{"open", []any{openA}}), []int32{1, 0, -7, -7, -7, 2}},
		{"a handle that never was is NOT_FOUND", &opener{}, []use{{"end", []any{0}}, {"end", []any{1}}, {"end", []any{-1}},
			{"receive", []any{math.MinInt32, 64, 200, -1}}, {"response", []any{0, 64, 200}}, {"response", []any{7, 64, 200}}}, []int32{-7, -7, -7, -7, -7, -7}},
		{"response keeps a document that does not fit, then tells anew", &opener{queue: []string{"hello"}},
			append(opens(1), use{"response", []any{1, 64, 0}}, use{"receive", []any{1, 64, 200, -1}}, use{"response", []any{1, 64, 200}}, use{"response", []any{1, 64, 200}}),
			[]int32{1, 44, record, 44, 55}},
		{"response and end go on after close", &opener{}, append(opens(1), use{"close", nil}, use{"response", []any{1, 64, 200}}, use{"end", []any{1}}), []int32{1, 0, 44, 0}},
	} {
		for _, callback := range []string{abi.OnStream, abi.OnEvent} {
			t.Run(tt.name+" in "+callback, func(t *testing.T) {
				s := set(t, host.Config{SendBytes: 500}, using(callback, tt.uses...).bytes())
				session := s.session()
				if tt.opener != nil {
					*tt.opener = opener{queue: tt.opener.queue, err: tt.opener.err, open: tt.opener.open}
					session.Opener = tt.opener
				}
				var err error
				if callback == abi.OnEvent {
					_, err = s.plugin.Event(t.Context(), session, &abi.Event{})
				} else {
					err = s.plugin.Stream(t.Context(), session)
				}
				if got := s.tenant.reported(); err != nil || !slices.Equal(got, tt.want) {
					t.Errorf("results are %v, %v, want %v", got, err, tt.want)
				}
				if tt.opener != nil && tt.opener.live() != 0 {
					t.Errorf("%d remotes are open after the callback", tt.opener.live())
				}
			})
		}
	}
}

func TestWhatIsAskedOfRemotes(t *testing.T) {
	document := `{"url":"http://a","method":"POST","headers":{"X-Key":"{{secret.k}}"},"body":{"n":[1]},"sse":true,` +
		`"lastEventId":"7","connectTimeout":1,"idleTimeout":2,"timeout":3}`
	o := &opener{}
	s := set(t, host.Config{}, using(abi.OnStream, use{"open", []any{document}}).bytes())
	session := s.session()
	session.Opener = o
	if err := s.plugin.Stream(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	want := abi.OpenRequest{URL: "http://a", Method: "POST", Headers: map[string]string{"X-Key": "{{secret.k}}"}, Body: []byte(`{"n":[1]}`),
		SSE: true, LastEventID: "7", ConnectTimeout: 1, IdleTimeout: 2, Timeout: 3}
	if len(o.requests) != 1 || !reflect.DeepEqual(o.requests[0], want) {
		t.Errorf("requests are %+v, want %+v", o.requests, want)
	}
}

// TestRemotesEndWithTheirCallback has callbacks trap, exit and run out of time with streams open.
func TestRemotesEndWithTheirCallback(t *testing.T) {
	for name, code := range map[string][]byte{
		"a trap":   unreachable,
		"a limit":  forever(),
		"an error": i32(-1),
	} {
		for _, callback := range []string{abi.OnStream, abi.OnEvent} {
			t.Run(name+" in "+callback, func(t *testing.T) {
				m := newModule()
				m.imported("open")
				m.export(callback, slices.Concat(slices.Repeat([][]byte{m.use(use{"open", []any{openA}}), drop}, 5)...), code)
				s := set(t, host.Config{CPUSlice: 5 * time.Millisecond, CPUEvent: 5 * time.Millisecond}, m.bytes())
				o := &opener{}
				session := s.session()
				session.Opener = o
				var err error
				if callback == abi.OnEvent {
					_, err = s.plugin.Event(t.Context(), session, &abi.Event{})
				} else {
					err = s.plugin.Stream(t.Context(), session)
				}
				if err == nil || len(o.remotes) != 5 || o.live() != 0 {
					t.Errorf("%v: %d remotes were opened, %d are open", err, len(o.remotes), o.live())
				}
			})
		}
	}
}

// TestRemotesEndWithTheStream has a guest wait in open and in receive when its viewer leaves.
func TestRemotesEndWithTheStream(t *testing.T) {
	for _, tt := range []struct {
		name   string
		opener *opener
		uses   []use
		want   []int32
	}{
		{"in open", &opener{hangs: make(chan struct{}, 1)}, []use{{"open", []any{openA}}, {"open", []any{openA}}}, []int32{-1, -1}},
		{"in receive", &opener{}, []use{{"open", []any{openA}}, {"send", []any{"waits", "", ""}}, {"receive", []any{1, 64, 200, -1}}, {"receive", []any{1, 64, 200, 3600000}}},
			[]int32{1, 0, -1, -1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := set(t, host.Config{Grace: time.Minute}, using(abi.OnStream, tt.uses...).bytes())
			ctx, end := context.WithCancel(t.Context())
			session := s.session()
			session.Opener = tt.opener
			result := make(chan error, 1)
			go func() { result <- s.plugin.Stream(ctx, session) }()
			if tt.opener.hangs != nil {
				<-tt.opener.hangs
			} else {
				await(t, "it waits", func() bool { return len(s.viewer.data()) == 1 })
			}
			end()
			if err := <-result; err != nil {
				t.Error(err)
			}
			if got := s.tenant.reported(); !slices.Equal(got, tt.want) || tt.opener.live() != 0 {
				t.Errorf("results are %v, want %v; %d remotes are open", got, tt.want, tt.opener.live())
			}
		})
	}
}

// TestWaitingForARemoteEndsWithTheEvent lets an event wait for longer than it may take.
func TestWaitingForARemoteEndsWithTheEvent(t *testing.T) {
	m := newModule()
	m.imported("open")
	m.imported("receive")
	m.export(abi.OnEvent, m.use(use{"open", []any{openA}}), drop, forever(m.use(use{"receive", []any{1, 64, 200, -1}}), drop))
	s := set(t, host.Config{EventTimeout: 20 * time.Millisecond}, m.bytes())
	o := &opener{}
	session := s.session()
	session.Opener = o
	_, err := s.plugin.Event(t.Context(), session, &abi.Event{})
	wantTrap(t, err, host.LimitEvent, "")
	if o.live() != 0 {
		t.Error("the remote is open")
	}
}
