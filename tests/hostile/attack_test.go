//go:build linux

package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
)

// attack is one hostile module, how it is driven and what the platform has to make of it.
type attack struct {
	name string // what it does, as a sentence

	// One of these makes the module.
	guest func(*guest)
	raw   func(*testing.T) []byte

	// refused matches the answer to the upload, which is then a refusal: 413 if tooBig, else 422.
	// Nothing more is done with the module. Without it the upload must succeed.
	refused string
	tooBig  bool
	slow    bool // it waits for a limit that is shorter in TestNothingStays than in the program

	// What is sent to the route, and how it is watched. A module with onStream needs no events.
	viewers int            // at once; default 2
	events  int            // published to the route's subject, which a stream's guest gets as well
	tenant  map[string]any // its settings
	route   map[string]any // beside path, plugin and access
	soon    bool           // its streams are ended after client.soon: its guests go on for ever
	source  map[string]any // beside url, subject and plugin, which are the source's then and not the route's
	leave   int            // viewers leave after so many events; 0 stays until the end

	fails string // matches the data of the error event that every viewer gets
	may   string // matches the data of an error event that a viewer may get in place of all else
	state string // matches the state that the source comes to
	sees  string // matches the data of an event that every viewer gets; for events that pass, the last one
	never string // matches the data or name of no event
	log   string // matches a line of the plugin's log
}

// What error events and the plugin's log say of the limits that stop a callback.
const (
	pastStart = `start timeout|processor time`
	pastSlice = `without a call of the host`
	pastEvent = `processor time for one event|event timeout` // the latter on a machine that is busy
	pastShare = `processor share is used up`
	pastDepth = `calls inside each other`
	pastGrace = `grace`
)

// Bounds of a run. Only a hang comes near them.
const (
	attackWithin = 5 * time.Minute
	logWithin    = 2 * time.Minute
)

const plugin = "attacker"

func (a attack) module(t *testing.T) []byte {
	if a.raw != nil {
		return a.raw(t)
	}
	g := newGuest()
	a.guest(g)
	return g.build()
}

// run makes a tenant for the attack, drives it, checks what it came to, and deletes the tenant.
func (a attack) run(t *testing.T, c *client, tenant string) {
	ctx, cancel := context.WithTimeout(context.Background(), attackWithin)
	defer cancel()
	base := "/v1/tenants/" + tenant
	check(t, c.must(ctx, http.MethodPut, base, a.settings()))
	defer func() {
		again, cancel := context.WithTimeout(context.Background(), attackWithin)
		defer cancel()
		if err := c.must(again, http.MethodDelete, base, nil); err != nil {
			t.Error(err)
		}
	}()
	if !a.upload(ctx, t, c, base) {
		return
	}
	log := follow(ctx, c, base+"/plugins/"+plugin+"/logs")
	defer log.stop()
	check(t, c.must(ctx, http.MethodPut, base+"/routes/target", a.spec(c.soon)))
	for i, seen := range a.drive(ctx, t, c, tenant) {
		a.check(t, i, seen)
	}
	if a.log != "" {
		log.await(t, regexp.MustCompile(a.log))
	}
}

// upload stores the module and tells whether it was accepted.
func (a attack) upload(ctx context.Context, t *testing.T, c *client, base string) bool {
	status, answer, err := c.call(ctx, http.MethodPut, base+"/plugins/"+plugin, a.module(t))
	if err != nil {
		t.Fatalf("upload: %v", err)
	}
	if a.refused == "" {
		if status != http.StatusCreated {
			t.Fatalf("the upload is answered with %d: %s", status, answer)
		}
		return true
	}
	want := http.StatusUnprocessableEntity
	if a.tooBig {
		want = http.StatusRequestEntityTooLarge
	}
	if status != want || !regexp.MustCompile(a.refused).MatchString(detail(answer)) {
		t.Errorf("the upload is answered with %d: %s; want %d for %s", status, answer, want, a.refused)
	}
	return false
}

// detail is the sentence in a problem document.
func detail(answer string) string {
	var problem struct{ Detail string }
	if json.Unmarshal([]byte(answer), &problem) != nil {
		return answer
	}
	return problem.Detail
}

// settings are those of the tenant, nil for none.
func (a attack) settings() any {
	if a.tenant == nil {
		return nil
	}
	return a.tenant
}

func (a attack) spec(soon time.Duration) map[string]any {
	spec := map[string]any{"path": "/target", "access": "public", "subjects": []string{"in"}}
	if a.source == nil {
		spec["plugin"] = plugin
	}
	if a.soon {
		spec["timeout"] = soon.Milliseconds()
	}
	maps.Copy(spec, a.route)
	return spec
}

// seen is what one viewer saw.
type seen struct {
	events []abi.Event // the last maxSeen
	all    int
	err    error
}

const maxSeen = 1000

// drive opens all viewers, publishes the events, and returns what each viewer saw until it left or
// its stream ended.
func (a attack) drive(ctx context.Context, t *testing.T, c *client, tenant string) []*seen {
	viewers := make([]*seen, max(a.viewers, 1))
	if a.viewers == 0 {
		viewers = make([]*seen, 2)
	}
	var opened, ended sync.WaitGroup
	for i := range viewers {
		s := &seen{}
		viewers[i] = s
		opened.Add(1)
		ended.Go(func() {
			s.err = c.watch(ctx, "/t/"+tenant+"/target", sync.OnceFunc(opened.Done), func(e abi.Event) bool { return a.goesOn(s, e) })
		})
	}
	opened.Wait()
	if a.source != nil {
		a.driveSource(ctx, t, c, tenant)
	}
	if err := publish(ctx, c, tenant, a.events); err != nil {
		t.Error(err)
	}
	ended.Wait()
	return viewers
}

// goesOn notes an event and tells whether its viewer stays.
func (a attack) goesOn(s *seen, e abi.Event) bool {
	s.all++
	if s.events = append(s.events, e); len(s.events) > maxSeen {
		s.events = slices.Delete(s.events, 0, 1)
	}
	if a.leave > 0 && s.all >= a.leave {
		return false
	}
	return a.events == 0 || e.Data != nameOf(a.events-1)
}

func nameOf(event int) string { return fmt.Sprintf("event %d", event) }

// publish publishes so many events in batches.
func publish(ctx context.Context, c *client, tenant string, events int) error {
	for at := 0; at < events; {
		var batch bytes.Buffer
		for n := 0; at < events && n < 1000; n++ {
			fmt.Fprintf(&batch, "{\"subject\":\"in\",\"data\":%q}\n", nameOf(at))
			at++
		}
		if err := c.must(ctx, http.MethodPost, "/v1/tenants/"+tenant+"/events", batch.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func (a attack) check(t *testing.T, viewer int, s *seen) {
	t.Helper()
	if s.err != nil {
		t.Errorf("viewer %d: %v", viewer, s.err)
	}
	failed := slices.IndexFunc(s.events, func(e abi.Event) bool { return e.Name == "error" })
	switch {
	case a.may != "" && failed >= 0 && regexp.MustCompile(a.may).MatchString(s.events[failed].Data):
		return
	case a.fails == "" && failed >= 0:
		t.Errorf("viewer %d sees the error %s", viewer, s.events[failed].Data)
	case a.fails != "" && failed < 0:
		t.Errorf("viewer %d sees no error among %d events, want %s", viewer, s.all, a.fails)
	case a.fails != "" && !regexp.MustCompile(a.fails).MatchString(s.events[failed].Data):
		t.Errorf("viewer %d sees the error %s, want %s", viewer, s.events[failed].Data, a.fails)
	}
	if a.sees != "" && !s.has(a.sees) {
		t.Errorf("viewer %d does not see %q, but %d other events%s", viewer, a.sees, s.all, s.last())
	}
	if a.never != "" && s.has(a.never) {
		t.Errorf("viewer %d sees %q", viewer, a.never)
	}
}

func (s *seen) has(pattern string) bool {
	p := regexp.MustCompile(pattern)
	return slices.ContainsFunc(s.events, func(e abi.Event) bool { return p.MatchString(e.Data) || p.MatchString(e.Name) })
}

func (s *seen) last() string {
	if len(s.events) == 0 {
		return ""
	}
	e := s.events[len(s.events)-1]
	return fmt.Sprintf(", the last %q %.80q", e.Name, e.Data)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
