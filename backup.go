package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/broker/backup"
)

type backupCommand struct {
	serverFlags
	keyFlags
	Tenant string `env:"-" placeholder:"NAME" help:"Only this tenant."`
	Out    string `required:"" placeholder:"FILE" help:"Where to write it; - is standard output. Nothing is overwritten."`
}

// Run writes a backup. The file has its name only once it is whole.
func (c *backupCommand) Run(ctx context.Context, con *console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	if c.Out == "-" {
		if isTerminal(con.out) {
			return errors.New("a backup is nothing to look at: send it somewhere, or name a file")
		}
		return c.write(ctx, con, key, con.out)
	}
	if _, err := os.Lstat(c.Out); err == nil {
		return fmt.Errorf("%s exists: choose another name", c.Out)
	}
	f, err := os.CreateTemp(filepath.Dir(c.Out), "."+filepath.Base(c.Out)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is there any more if all went well
	err = c.write(ctx, con, key, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), c.Out)
}

// write writes the tenants one after another.
func (c *backupCommand) write(ctx context.Context, con *console, key *backup.Key, to io.Writer) error {
	names := []string{c.Tenant}
	if c.Tenant == "" {
		var err error
		if names, err = tenantNames(ctx, c.serverFlags); err != nil {
			return err
		}
	}
	v, _ := version()
	out := &counter{w: to}
	file, err := backup.NewWriter(out, backup.Head{Version: v})
	if err != nil {
		return err
	}
	left, done := 0, 0
	for i, name := range names {
		label := fmt.Sprintf("Backing up %s, %d of %d", name, i+1, len(names))
		section, err := c.tenant(ctx, con, key, file, name, label)
		if p, ok := errors.AsType[*problem](err); ok && p.Status == http.StatusNotFound && c.Tenant == "" {
			con.notef("%s was deleted meanwhile.\n", name)
			continue
		}
		if err != nil {
			return fmt.Errorf("tenant %s: %w", name, err)
		}
		con.notef("%s\n", describe(section))
		if done++; len(section.KeyCheck) == 0 {
			left += section.Secrets
		}
	}
	if err := file.Close(); err != nil {
		return err
	}
	con.notef("%s in %s.\n", plural(done, "tenant"), bytesText(out.n))
	if left > 0 {
		con.notef("%s left out: with --key-file they are in it, sealed.\n", plural(left, "secret"))
	}
	return nil
}

// tenant copies one tenant's section from the server, which is checked on the way.
func (c *backupCommand) tenant(ctx context.Context, con *console, key *backup.Key, to *backup.Writer, name, label string) (section backup.Tenant, err error) {
	client, err := c.client(name)
	if err != nil {
		return section, err
	}
	resp, err := client.send(ctx, call{method: http.MethodGet, path: pathOf("backup"), header: keyHeader(key)})
	if err != nil {
		return section, err
	}
	defer resp.Body.Close()
	from, err := backup.NewReader(resp.Body)
	if err != nil {
		return section, err
	}
	bar := newBar(con.err, label)
	defer bar.end()
	for {
		p, err := from.Next()
		switch {
		case errors.Is(err, io.EOF):
			return section, nil
		case err != nil:
			return section, fmt.Errorf("the server broke off, its log may say why: %w", err)
		case p.Tenant != name:
			return section, fmt.Errorf("the server sends %s", p.Tenant)
		case p.Name == backup.SumsName:
			err = to.EndTenant()
		default:
			err = to.Part(p.Tenant, p.Name, p.Data)
		}
		if err == nil && p.Name == backup.TenantName {
			err = p.Document(&section)
			bar.expect(section.Bytes)
		}
		if err != nil {
			return section, err
		}
		bar.add(len(p.Data))
	}
}

// tenantNames are those of all tenants of a server.
func tenantNames(ctx context.Context, f serverFlags) ([]string, error) {
	client, err := f.client("")
	if err != nil {
		return nil, err
	}
	var answer struct{ Tenants []struct{ Name string } }
	if err := client.do(ctx, call{method: http.MethodGet, path: pathOf("tenants")}, &answer); err != nil {
		return nil, err
	}
	names := make([]string, len(answer.Tenants))
	for i, t := range answer.Tenants {
		names[i] = t.Name
	}
	return names, nil
}

// describe is a line about a section.
func describe(t backup.Tenant) string {
	if t.History == nil {
		return t.Name + ": no events"
	}
	return fmt.Sprintf("%s: %s, the last is %s-%d", t.Name, plural(int(t.History.Events), "event"), t.History.Epoch, t.History.Last)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
