//go:build linux

package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/hostile/op"
)

// driveSource makes the source, and waits until it has come to its state.
func (a attack) driveSource(ctx context.Context, t *testing.T, c *client, tenant string) {
	path := "/v1/tenants/" + tenant + "/sources/remote"
	spec := map[string]any{"subject": "in", "plugin": plugin, "retry": map[string]any{"initial": 10, "max": 20, "attempts": 3}}
	maps.Copy(spec, a.source)
	if err := c.must(ctx, http.MethodPut, path, spec); err != nil {
		t.Error(err)
		return
	}
	state := regexp.MustCompile(a.state)
	err := eventually(attackWithin, func() error {
		_, answer, err := c.call(ctx, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		var source struct{ Status struct{ State string } }
		if err := json.Unmarshal([]byte(answer), &source); err != nil {
			return err
		}
		if !state.MatchString(source.Status.State) {
			return fmt.Errorf("the source does not come to %s: %s", a.state, answer)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// sourceCallbacks are those that only sources call, with a remote that has them called, the state
// that the source comes to, and the events that nobody sees when the callback fails.
var sourceCallbacks = []struct{ name, path, state, dropped string }{
	{abi.OnRequestStart, "/some", "^done$", ""},
	{abi.OnChunk, "/some", "^done$", "^remote"},
	{abi.OnComplete, "/some", "^done$", ""},
	{abi.OnError, "/error", "^(failed|stopped)$", ""},
}

// sources are plugins that attack from a source's callbacks. A callback that fails leaves out its
// event at most: the source comes to its end.
func sources(remote string) []attack {
	var attacks []attack
	for _, callback := range sourceCallbacks {
		of := func(name string, code func(*guest) []byte) attack {
			return attack{
				name:   name + ", " + callback.name,
				tenant: anywhere,
				guest:  func(g *guest) { g.callback(callback.name, code(g)) },
				source: map[string]any{"url": remote + callback.path},
				state:  callback.state,
				events: 1, // the last that viewers wait for
				sees:   nameOf(0),
			}
		}
		fails := func(name, log string, code func(*guest) []byte) attack {
			a := of(name, code)
			a.never, a.log = callback.dropped, log
			return a
		}
		attacks = append(attacks,
			fails("a trap", `unreachable`, func(*guest) []byte { return op.Unreachable }),
			fails("recursion", pastDepth, func(g *guest) []byte { return cat(op.Call(endless(g)), op.Const32(0)) }),
			fails("never returns", pastEvent, func(*guest) []byte { return op.Forever() }),
			fails("a number below zero as the answer", `returned -2147483648`, func(*guest) []byte { return op.Const32(-1 << 31) }),
			of("one as the answer", func(*guest) []byte { return op.Const32(1) }),
			of("sends and publishes what is too much", func(g *guest) []byte {
				return cat(op.Times(0, 2000, g.ignore("send", "x", "", "")), op.Times(0, 20, g.ignore("publish", "elsewhere", "x", "", "")), op.Const32(0))
			}),
			of("opens streams and leaves them", func(g *guest) []byte {
				return cat(op.Times(0, 10, g.ignore("open", request(remote+"/quiet"))), op.Const32(0))
			}),
		)
	}
	return append(attacks,
		attack{
			name:   "traps, and its events pass nevertheless, onChunk",
			tenant: anywhere,
			guest:  func(g *guest) { g.callback(abi.OnChunk, op.Unreachable) },
			source: map[string]any{"url": remote + "/some", "onError": "pass"},
			state:  "^done$",
			events: 1,
			sees:   fmt.Sprintf("^remote %d$", someOf-1),
			log:    `unreachable`,
		},
		attack{
			name:   "traps, and its source ends, onChunk",
			tenant: anywhere,
			guest:  func(g *guest) { g.callback(abi.OnChunk, op.Unreachable) },
			source: map[string]any{"url": remote + "/some", "onError": "close"},
			state:  "^failed$",
			events: 1,
			sees:   nameOf(0),
			never:  `^remote`,
			log:    `unreachable`,
		},
		attack{
			name:   "publishes each event to its own source's subject, onChunk",
			tenant: anywhere,
			guest: func(g *guest) {
				g.callback(abi.OnChunk, g.ignore("publish", "in", "again", "", ""), g.ignore("send", "once", "", ""), op.Const32(0))
			},
			source: map[string]any{"url": remote + "/some"},
			state:  "^done$",
			events: 1,
			sees:   `^once$`,
		},
		attack{
			name:   "asks to be tried again in 25 days, onError",
			tenant: anywhere,
			guest:  func(g *guest) { g.callback(abi.OnError, op.Const32(1<<31-1)) },
			source: map[string]any{"url": remote + "/error"},
			state:  "^waiting$",
			events: 1,
			sees:   nameOf(0),
		},
		attack{
			name:   "a source of a line without end",
			tenant: anywhere,
			guest:  func(g *guest) { g.callback(abi.OnChunk, op.Const32(0)) },
			source: map[string]any{"url": remote + "/line"},
			state:  "^(connecting|open|waiting|failed)$",
			events: 1,
			sees:   nameOf(0),
		},
	)
}
