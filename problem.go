package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// problem is an answer that says why a call was refused: RFC 9457, or any body with a status that
// is an error. As an error it is one readable sentence, and a line for each wrong input.
type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`

	retryAfter time.Duration // the server's wish, 0 if it has none
}

// readProblem reads the problem that resp is. It does not close the body.
func readProblem(resp *http.Response) *problem {
	var p problem
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // what did arrive says more than that it broke off
	if json.Unmarshal(body, &p) != nil || p.Title == "" && p.Detail == "" {
		p = problem{Detail: firstLine(string(body))}
	}
	p.Status = resp.StatusCode
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		p.retryAfter = time.Duration(min(s, 3600)) * time.Second
	}
	return &p
}

func (p *problem) Error() string {
	var b strings.Builder
	switch {
	case p.Detail != "":
		b.WriteString(p.Detail)
	case p.Title != "":
		b.WriteString(p.Title)
	default:
		b.WriteString(http.StatusText(p.Status))
	}
	fmt.Fprintf(&b, " (status %d)", p.Status)
	for _, e := range p.Errors {
		if e.Message == p.Detail {
			continue // said already
		}
		fmt.Fprintf(&b, "\n  %s: %s", e.Location, e.Message)
	}
	if p.Status == http.StatusUnauthorized {
		b.WriteString("\n  Give a token with --token or MILLRACE_TOKEN.")
	}
	return b.String()
}

// firstLine is the beginning of what is perhaps a page of HTML.
func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
