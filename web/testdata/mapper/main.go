// Mapper is the onEvent callback of web's tests: an event's data says what becomes of it.
package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

//go:wasmexport onEvent
func onEvent() int32 { return guest.OnEvent(mapEvent) }

func mapEvent(e *guest.Emitter, ev abi.Event) (guest.Verdict, error) {
	what, arg, _ := strings.Cut(ev.Data, " ")
	switch what {
	case "drop":
		return guest.Drop, nil
	case "pass":
		return guest.Pass, nil
	case "fail":
		return guest.Drop, errors.New("on purpose")
	case "panic":
		panic("on purpose")
	case "close":
		_ = e.Send("closing")
		return guest.Drop, e.Close()
	case "many":
		n, _ := strconv.Atoi(arg)
		for i := range n {
			if err := e.SendEvent(guest.Event{Data: i, Name: "part"}); err != nil {
				return guest.Drop, err
			}
		}
		return guest.Drop, nil
	case "count":
		b, _ := e.KV().Get("count")
		n, _ := strconv.Atoi(string(b))
		count := strconv.Itoa(n + 1)
		if err := e.KV().Put("count", []byte(count), 0); err != nil {
			return guest.Drop, err
		}
		return guest.Drop, e.Send(count)
	case "who":
		r, err := e.Request()
		if err != nil {
			return guest.Drop, err
		}
		return guest.Drop, e.Send(strings.Join(r.Query["me"], ","))
	}
	return guest.Drop, e.SendEvent(guest.Event{Data: strings.ToUpper(ev.Data), Name: "mapped"})
}

func main() {}
