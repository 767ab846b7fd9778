// Conformance is the plugin that a host is tried with: it calls every function of the contract. The
// query's case says which for onStream, the event's data for onEvent. What the functions answer is
// sent as events.
package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

//go:wasmexport onStream
func onStream() int32 {
	return guest.OnStream(func(e *guest.Emitter) error {
		req, err := e.Request()
		if err != nil {
			return err
		}
		for _, name := range req.Query["case"] {
			run, ok := streamCases[name]
			if !ok {
				return fmt.Errorf("case %q: %w", name, abi.NotFound)
			}
			if err := run(e); err != nil {
				return err
			}
		}
		return nil
	})
}

var streamCases = map[string]func(e *guest.Emitter) error{
	"send":     send,
	"comment":  func(e *guest.Emitter) error { return e.Comment("two\nlines") },
	"close":    closeEarly,
	"closed":   func(e *guest.Emitter) error { return e.Send(e.IsClosed()) },
	"sleep":    func(e *guest.Emitter) error { return report(e, "sleep", e.Sleep(time.Millisecond)) },
	"receive":  receive,
	"request":  request,
	"body":     body,
	"publish":  publish,
	"kv":       kv,
	"log":      log,
	"now":      now,
	"random":   random,
	"remotes":  remotes,
	"relay":    relay,
	"wait":     func(e *guest.Emitter) error { return e.Sleep(time.Hour) },
	"listen":   listen,
	"go-sleep": goSleep,
	"error":    func(*guest.Emitter) error { return fmt.Errorf("wrapped: %w", abi.Limit) },
	"panic":    func(*guest.Emitter) error { panic("as asked") },
	"print":    print,
}

// report sends what a function answered: its name and ok, or the status in words.
func report(e *guest.Emitter, name string, err error) error {
	if err == nil {
		return e.Send(name + ": ok")
	}
	return e.Send(name + ": " + err.Error())
}

func send(e *guest.Emitter) error {
	return errors.Join(
		e.Send("text"),
		e.SendEvent(guest.Event{Data: map[string]int{"n": 1}, Name: "update", ID: "id-1"}),
		e.Send(""),
		e.Send("lines\r\nand \x00 bytes, ünïcode"),
		report(e, "a line break in a name", e.SendEvent(guest.Event{Name: "a\nb"})),
		report(e, "bytes that are not UTF-8", e.Send([]byte{0xff})),
		report(e, "too much", e.Send(make([]byte, abi.MaxSendBytes+1))),
	)
}

// closeEarly logs what it can no longer send.
func closeEarly(e *guest.Emitter) error {
	if err := errors.Join(e.Send("last"), e.Close()); err != nil {
		return err
	}
	_, received := e.Receive(guest.Forever)
	e.Log().Info("after close", "closed", e.IsClosed(), "send", e.Send("late"), "comment", e.Comment("late"),
		"sleep", e.Sleep(time.Hour), "receive", received)
	return nil
}

// receive sends on what is there, field by field, until nothing comes for 10 ms.
func receive(e *guest.Emitter) error {
	for {
		ev, err := e.Receive(10 * time.Millisecond)
		if errors.Is(err, abi.Timeout) {
			return report(e, "receive", err)
		}
		if err != nil {
			return err
		}
		if err := e.Send(fmt.Sprintf("%s %q %q %q %d %d %d %t %t %d", ev.Subject, ev.Name, ev.ID, ev.Data[:min(10, len(ev.Data))],
			ev.Seq, ev.Time.UnixMilli(), ev.Retry.Milliseconds(), ev.Replayed, ev.EmptyID, len(ev.Data))); err != nil {
			return err
		}
	}
}

// listen sends on what comes until the stream ends.
func listen(e *guest.Emitter) error {
	for {
		ev, err := e.Receive(guest.Forever)
		if err != nil {
			return err
		}
		if err := e.SendEvent(guest.Event{Data: ev.Data, Name: ev.Name, ID: ev.ID}); err != nil {
			return err
		}
	}
}

func request(e *guest.Emitter) error {
	req, err := e.Request()
	if err != nil {
		return err
	}
	return e.Send(req)
}

func body(e *guest.Emitter) error {
	b, err := e.Body()
	if err != nil {
		return err
	}
	return e.Send(b)
}

func publish(e *guest.Emitter) error {
	return errors.Join(
		report(e, "publish", e.Publish("out.a", guest.Event{Data: []int{1, 2}, Name: "n", ID: "i"})),
		report(e, "publish to a pattern", e.Publish("out.>", guest.Event{Data: "x"})),
	)
}

func kv(e *guest.Emitter) error {
	kv := e.KV()
	_, before := kv.Get("key")
	put := kv.Put("key", "value \xff", time.Minute)
	value, get := kv.Get("key")
	deleted := kv.Delete("key")
	_, after := kv.Get("key")
	long := kv.Put(string(make([]byte, abi.MaxKeyBytes+1)), "x", 0)
	return errors.Join(
		report(e, "get before", before),
		report(e, "put", put),
		report(e, "get", get),
		e.Send(fmt.Sprintf("value: %q", value)),
		report(e, "delete", deleted),
		report(e, "get after", after),
		report(e, "put with a long key", long),
	)
}

func log(e *guest.Emitter) error {
	l := e.Log()
	l.Debug("debug", "n", 1)
	l.Info("info")
	l.Warn("warn", "words", "two words")
	l.Error("error")
	return nil
}

// now sends whether the host's clock and Go's own agree.
func now(e *guest.Emitter) error {
	return e.Send(time.Until(e.Now()).Abs() < time.Minute)
}

// random sends whether two draws differ.
func random(e *guest.Emitter) error {
	var a, b [16]byte
	if err := errors.Join(e.Random(a[:]), e.Random(b[:])); err != nil {
		return err
	}
	return e.Send(a != b)
}

// goSleep waits by Go's own means, and sends whether the stream is still there.
func goSleep(e *guest.Emitter) error {
	time.Sleep(time.Hour)
	e.Log().Info("woke", "closed", e.IsClosed())
	return nil
}

// print writes to standard output, which goes to the plugin's log.
func print(*guest.Emitter) error {
	fmt.Println("to standard output")
	return nil
}

func main() {}
