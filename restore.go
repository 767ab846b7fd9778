package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/millrace/millrace/broker/backup"
)

type restoreCommand struct {
	serverFlags
	keyFlags
	File           string `arg:"" help:"The backup; - is standard input."`
	Tenant         string `env:"-" placeholder:"NAME" help:"Only this tenant."`
	As             string `placeholder:"NAME" help:"Under another name, beside the tenant that the backup was made of; its sources stay stopped."`
	Replace        bool   `help:"Delete tenants that exist, and put the backup's in their place."`
	WithoutSecrets bool   `help:"Leave out the secrets that the backup has."`
	StopSources    bool   `help:"Leave sources stopped until each is started."`
	Check          bool   `help:"Only check the backup, and list what is in it. It takes no server."`
}

// Validate checks what flags alone cannot say.
func (c *restoreCommand) Validate() error {
	switch {
	case c.As != "" && c.Tenant == "":
		return errors.New("--as needs --tenant, the one to be renamed")
	case c.Check && (c.As != "" || c.Replace):
		return errors.New("with --check nothing is restored")
	}
	return nil
}

// Run restores. A file is checked as a whole before anything is changed; standard input tenant by
// tenant, as it comes.
func (c *restoreCommand) Run(ctx context.Context, con *console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	if c.File == "-" {
		return c.stdin(ctx, con, key)
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	sections, err := checkBackup(ctx, newProgress(f, con.err, "Checking "+c.File, info.Size()))
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if c.Check {
		return listSections(con, sections)
	}
	if err := c.refuse(ctx, sections, key); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return c.restore(ctx, con, key, newProgress(f, con.err, "Restoring "+c.File, info.Size()))
}

func (c *restoreCommand) stdin(ctx context.Context, con *console, key *backup.Key) error {
	if c.Check {
		sections, err := checkBackup(ctx, con.in)
		if err != nil {
			return err
		}
		return listSections(con, sections)
	}
	return c.restore(ctx, con, key, con.in)
}

// checkBackup reads a backup to its end.
func checkBackup(ctx context.Context, r io.Reader) (sections []backup.Tenant, err error) {
	file, err := backup.NewReader(bufio.NewReaderSize(r, 1<<20))
	if err != nil {
		return nil, err
	}
	for ctx.Err() == nil {
		p, err := file.Next()
		if errors.Is(err, io.EOF) {
			return sections, nil
		}
		if err != nil {
			return nil, err
		}
		if p.Name == backup.TenantName {
			var t backup.Tenant
			if err := p.Document(&t); err != nil {
				return nil, err
			}
			t.Name = p.Tenant
			sections = append(sections, t)
		}
	}
	return nil, ctx.Err()
}

func listSections(con *console, sections []backup.Tenant) error {
	t := newTable(con.out)
	t.row("TENANT", "EVENTS", "LAST ID", "SECRETS")
	for _, s := range sections {
		events, last := "0", "none"
		if s.History != nil {
			events, last = fmt.Sprint(s.History.Events), fmt.Sprintf("%s-%d", s.History.Epoch, s.History.Last)
		}
		secrets := fmt.Sprint(s.Secrets)
		if s.Secrets > 0 && len(s.KeyCheck) > 0 {
			secrets += ", sealed"
		} else if s.Secrets > 0 {
			secrets += ", left out"
		}
		t.row(s.Name, events, last, secrets)
	}
	return t.flush()
}

// wants tells whether the section of a tenant is to be restored, and as what.
func (c *restoreCommand) wants(tenant string) (name string, ok bool) {
	if c.Tenant != "" && tenant != c.Tenant {
		return "", false
	}
	if c.As != "" {
		return c.As, true
	}
	return tenant, true
}

// refuse finds what would be refused halfway.
func (c *restoreCommand) refuse(ctx context.Context, sections []backup.Tenant, key *backup.Key) error {
	var names []string
	for _, s := range sections {
		name, ok := c.wants(s.Name)
		if !ok {
			continue
		}
		names = append(names, name)
		if s.Secrets == 0 || len(s.KeyCheck) == 0 || c.WithoutSecrets {
			continue
		}
		if key == nil {
			return fmt.Errorf("the secrets of %s are sealed: give their --key-file, or restore --without-secrets", s.Name)
		}
		if !key.Fits(s) {
			return fmt.Errorf("the secrets of %s are sealed with another key than %s", s.Name, c.KeyFile)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no tenant %s", c.File, c.Tenant)
	}
	there, err := tenantNames(ctx, c.serverFlags)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(there, name) })
	if len(names) > 0 && !c.Replace {
		return fmt.Errorf("there is %s already: --replace deletes it for what is in the backup, --tenant and --as give another name", strings.Join(names, ", "))
	}
	return nil
}

// restore sends the sections that are wanted, each by itself, and says what has become of each.
func (c *restoreCommand) restore(ctx context.Context, con *console, key *backup.Key, r io.Reader) error {
	file, err := backup.NewReader(bufio.NewReaderSize(r, 1<<20))
	if err != nil {
		return err
	}
	var done []string
	for {
		name, err := c.next(ctx, con, key, file)
		switch {
		case errors.Is(err, io.EOF) && len(done) == 0:
			return fmt.Errorf("the backup has no tenant %s", c.Tenant)
		case errors.Is(err, io.EOF):
			con.notef("%s restored.\n", plural(len(done), "tenant"))
			return nil
		case err != nil && len(done) > 0:
			return fmt.Errorf("%s is restored, nothing else: %w", strings.Join(done, ", "), err)
		case err != nil:
			return fmt.Errorf("nothing is restored: %w", err)
		case name != "":
			done = append(done, name)
		}
	}
}

// next reads one section and sends it if it is wanted; name is what it is now called.
func (c *restoreCommand) next(ctx context.Context, con *console, key *backup.Key, file *backup.Reader) (name string, err error) {
	p, err := file.Next()
	if err != nil {
		return "", err
	}
	name, ok := c.wants(p.Tenant)
	if !ok {
		for err == nil && p.Name != backup.SumsName {
			p, err = file.Next()
		}
		return "", err
	}
	up, err := c.upload(ctx, key, name, file.Head)
	if err != nil {
		return "", err
	}
	for {
		if err := up.part(p); err != nil {
			return "", up.failed(fmt.Errorf("tenant %s: %w", name, err))
		}
		if p.Name == backup.SumsName {
			answer, err := up.finish()
			if err != nil {
				return "", fmt.Errorf("tenant %s: %w", name, err)
			}
			con.notef("%s", answer.text())
			return name, nil
		}
		if p, err = file.Next(); err != nil {
			return "", up.failed(fmt.Errorf("tenant %s: %w", name, noEnd(err)))
		}
	}
}

// noEnd is err where the file cannot end.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
