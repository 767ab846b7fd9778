// Redact masks card numbers and e-mail addresses, in text and in JSON.
package main

import (
	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

//go:wasmexport onEvent
func onEvent() int32 {
	return guest.OnEvent(func(e *guest.Emitter, ev abi.Event) (guest.Verdict, error) {
		masked := redact(ev.Data)
		if masked == ev.Data {
			return guest.Pass, nil
		}
		return guest.Drop, e.SendEvent(guest.Event{Data: masked, Name: ev.Name}) // in its place
	})
}

func redact(data string) string {
	if isDocument(data) {
		return redactDocument(data)
	}
	return redactText(data)
}

func redactText(text string) string { return maskCards(maskEmails(text)) }

func main() {}
