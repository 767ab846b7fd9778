package source

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
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
	filled []filledSecret // longest value first
}

// filledSecret is the value that a request has for a secret.
type filledSecret struct{ name, value string }

// fill returns headers by canonical name, with the secrets that lookup has.
func (f *filler) fill(ctx context.Context, headers map[string]string, lookup func(ctx context.Context, name string) (string, error)) (http.Header, error) {
	h := make(http.Header, len(headers))
	for name, value := range headers {
		var b strings.Builder
		err := eachSecret(value, func(text string) { b.WriteString(text) }, func(secret string) error {
			plain, err := lookup(ctx, secret)
			if err != nil {
				return fmt.Errorf("secret %s: %w", secret, err)
			}
			plain, err = f.take(secret, plain)
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

// take returns a secret's value as it is sent, and keeps it to know it again.
func (f *filler) take(name, value string) (string, error) {
	value = strings.TrimSpace(value)
	if !isValue(value) {
		return "", invalid("headers", "need the secret %s, which has a control character in it", name)
	}
	if value != "" {
		f.filled = append(f.filled, filledSecret{name, value})
		slices.SortFunc(f.filled, func(a, b filledSecret) int { return cmp.Compare(len(b.value), len(a.value)) })
	}
	return value, nil
}

// hidden returns text with the names of secrets in place of their values, also where white space or
// the like in them is written as a URL writes it.
func (f *filler) hidden(text string) string {
	if len(f.filled) == 0 {
		return text
	}
	var pairs []string
	for _, s := range f.filled {
		name := secretOpen + s.name + secretClose
		pairs = append(pairs, s.value, name)
		for _, escaped := range []string{url.QueryEscape(s.value), url.PathEscape(s.value)} {
			if escaped != s.value {
				pairs = append(pairs, escaped, name)
			}
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// plain is a response's header, each name once, with secrets hidden.
func (f *filler) plain(h http.Header) map[string]string {
	plain := make(map[string]string, len(h))
	for name, values := range h {
		plain[name] = f.hidden(strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD"))
	}
	return plain
}

// hiddenIn returns err with secrets hidden in its text. It may have parts of what the remote said.
func (f *filler) hiddenIn(err error) error {
	if err == nil || len(f.filled) == 0 {
		return err
	}
	text := err.Error()
	if hidden := f.hidden(text); hidden != text {
		return &hidingError{err, hidden}
	}
	return err
}

// hidingError is an error with another text.
type hidingError struct {
	err  error
	text string
}

func (e *hidingError) Error() string { return e.text }
func (e *hidingError) Unwrap() error { return e.err }
