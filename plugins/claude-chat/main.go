// Claude-chat asks a model of Anthropic's and relays its answer token by token, as it comes.
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
	provider  = "https://api.anthropic.com/v1/messages" // unless the key-value store has another
	model     = "claude-haiku-4-5"
	maxTokens = 1024
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
	address, err := e.KV().Get("claude-chat.url")
	if errors.Is(err, abi.NotFound) {
		address = []byte(provider)
	} else if err != nil {
		return nil, err
	}
	return e.Open(guest.OpenRequest{
		URL:     string(address),
		Method:  "POST",
		Headers: map[string]string{"x-api-key": "{{secret.anthropic}}", "anthropic-version": "2023-06-01"},
		Body: map[string]any{
			"model":      model,
			"messages":   []map[string]string{{"role": "user", "content": question}},
			"max_tokens": maxTokens,
			"stream":     true,
		},
		SSE:         true,
		IdleTimeout: time.Minute,
	})
}

func main() {}
