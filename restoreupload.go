package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/millrace/millrace/broker/backup"
)

// upload is a restore of one tenant under way.
type upload struct {
	to     *io.PipeWriter
	file   *backup.Writer
	done   chan error // has the call's end
	answer restoredTenant
}

// restoredTenant is what the server says of a restore.
type restoredTenant struct {
	Tenant         string
	Events         uint64
	Values         uint64
	Secrets        int
	SecretsLeftOut int
	HostsLeftOut   []string
	Replaced       bool
}

// upload begins a restore.
func (c *restoreCommand) upload(ctx context.Context, key *backup.Key, name string, head backup.Head) (*upload, error) {
	client, err := c.client(name)
	if err != nil {
		return nil, err
	}
	client.http.Transport.(*http.Transport).ResponseHeaderTimeout = 15 * time.Minute // other nodes get their copies first
	query := url.Values{}
	for name, is := range map[string]bool{"replace": c.Replace, "withoutSecrets": c.WithoutSecrets, "stopSources": c.StopSources} {
		if is {
			query.Set(name, "true")
		}
	}
	header := map[string]string{"Content-Type": "application/x-tar", "Expect": "100-continue"}
	for name, value := range keyHeader(key) {
		header[name] = value
	}
	body, to := io.Pipe()
	u := &upload{to: to, done: make(chan error, 1)}
	go func() {
		err := client.do(ctx, call{method: http.MethodPost, path: pathOf("restore"), query: query, header: header, body: body}, &u.answer)
		body.CloseWithError(errRefused) // whoever still writes learns that nobody reads
		u.done <- err
	}()
	u.file, err = backup.NewWriter(to, head)
	if err != nil {
		return nil, u.failed(err)
	}
	return u, nil
}

// errRefused is met in writing what the server does not want any more; the call's error says why.
var errRefused = errors.New("the server has ended the call")

// part sends a part on.
func (u *upload) part(p backup.Part) error {
	if p.Name == backup.SumsName {
		return errors.Join(u.file.EndTenant(), u.file.Close(), u.to.Close())
	}
	return u.file.Part(p.Tenant, p.Name, p.Data)
}

// failed ends the call and returns its error, if that is what err came from.
func (u *upload) failed(err error) error {
	u.to.CloseWithError(err)
	if ended := <-u.done; ended != nil && (errors.Is(err, errRefused) || errors.Is(err, io.ErrClosedPipe)) {
		return ended
	}
	return err
}

// finish waits for the answer.
func (u *upload) finish() (restoredTenant, error) {
	err := <-u.done
	return u.answer, err
}

// text says what was restored, in a line or more.
func (r restoredTenant) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", r.Tenant, plural(int(r.Events), "event"))
	for _, n := range []struct {
		n    int
		what string
	}{{int(r.Values), "stored value"}, {r.Secrets, "secret"}} {
		if n.n > 0 {
			b.WriteString(", " + plural(n.n, n.what))
		}
	}
	if r.Replaced {
		b.WriteString(", in place of what was there")
	}
	b.WriteString("\n")
	if r.SecretsLeftOut > 0 {
		fmt.Fprintf(&b, "%s: %s to be put again\n", r.Tenant, plural(r.SecretsLeftOut, "secret"))
	}
	if len(r.HostsLeftOut) > 0 {
		fmt.Fprintf(&b, "%s: without the hosts %s, which another tenant has\n", r.Tenant, strings.Join(r.HostsLeftOut, ", "))
	}
	return b.String()
}
