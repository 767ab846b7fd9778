// Ai-chat asks a language model and relays its answer token by token, as the provider sends it. The
// provider is any that speaks OpenAI's chat completions.
package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

const (
	provider = "https://api.openai.com/v1/chat/completions" // unless the key-value store has another
	model    = "gpt-4o-mini"
)

//go:wasmexport onStream
func onStream() int32 {
	return guest.OnStream(func(e *guest.Emitter) error {
		question, err := prompt(e)
		if err != nil {
			return err
		}
		remote, err := ask(e, question)
		if err != nil {
			return tell(e, err)
		}
		return tell(e, relay(e, remote))
	})
}

// prompt is the request's body, or the query's prompt.
func prompt(e *guest.Emitter) (string, error) {
	body, err := e.Body()
	if err != nil || len(body) > 0 {
		return string(body), err
	}
	req, err := e.Request()
	if err != nil {
		return "", err
	}
	question := url.Values(req.Query).Get("prompt")
	if question == "" {
		return "", fmt.Errorf("neither a body nor a prompt: %w", abi.Invalid)
	}
	return question, nil
}

func ask(e *guest.Emitter, question string) (*guest.Remote, error) {
	address, err := e.KV().Get("ai-chat.url")
	if errors.Is(err, abi.NotFound) {
		address = []byte(provider)
	} else if err != nil {
		return nil, err
	}
	return e.Open(guest.OpenRequest{
		URL:     string(address),
		Method:  "POST",
		Headers: map[string]string{"Authorization": "Bearer {{secret.openai}}"},
		Body: map[string]any{
			"model": model,
			"messages": []map[string]string{
				{"role": "system", "content": "You are a helpful assistant."},
				{"role": "user", "content": question},
			},
			"stream":         true,
			"stream_options": map[string]bool{"include_usage": true},
		},
		SSE:         true,
		IdleTimeout: time.Minute,
	})
}

func main() {}
