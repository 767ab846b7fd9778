package source

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/millrace/millrace/abi"
)

const (
	secretOpen  = "{{secret."
	secretClose = "}}"
)

// eachSecret splits s at its secrets and calls text and secret for the parts, in order. It stops at
// the first error.
func eachSecret(s string, text func(string), secret func(name string) error) error {
	for {
		before, rest, found := strings.Cut(s, secretOpen)
		text(before)
		if !found {
			return nil
		}
		name, after, closed := strings.Cut(rest, secretClose)
		if !closed || !abi.ValidName(name) {
			return fmt.Errorf("has a %s… that does not name a secret", secretOpen)
		}
		if err := secret(name); err != nil {
			return err
		}
		s = after
	}
}

func checkTemplate(field, value string) error {
	err := eachSecret(value, func(string) {}, func(string) error { return nil })
	if err != nil {
		return invalid(field, "%v", err)
	}
	return nil
}

// filler fills secrets into headers, and takes them out of what the remote says.
type filler struct {
	lookup func(ctx context.Context, name string) (string, error)
	hide   []string // what stands for each secret that was filled in
}

// fill returns headers by canonical name, with their secrets.
func (f *filler) fill(ctx context.Context, headers map[string]string) (http.Header, error) {
	h := make(http.Header, len(headers))
	for name, value := range headers {
		var b strings.Builder
		err := eachSecret(value, func(text string) { b.WriteString(text) }, func(secret string) error {
			plain, err := f.secret(ctx, secret)
			b.WriteString(plain)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		h.Set(name, b.String())
	}
	return h, nil
}

func (f *filler) secret(ctx context.Context, name string) (string, error) {
	if f.lookup == nil {
		return "", fmt.Errorf("secret %s: %w", name, ErrNoSecret)
	}
	plain, err := f.lookup(ctx, name)
	if err != nil {
		return "", fmt.Errorf("secret %s: %w", name, err)
	}
	if plain = strings.TrimSpace(plain); !isValue(plain) {
		return "", invalid("headers", "need the secret %s, which has a control character in it", name)
	}
	if plain != "" {
		f.hide = append(f.hide, plain, "{{secret."+name+"}}")
	}
	return plain, nil
}

// hidden returns text with the names of secrets in place of their values.
func (f *filler) hidden(text string) string {
	if len(f.hide) == 0 {
		return text
	}
	return strings.NewReplacer(f.hide...).Replace(text)
}
