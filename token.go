package main

import (
	"context"
	"net/http"
	"strings"
	"time"
)

type tokenCommands struct {
	Create tokenCreateCommand `cmd:"" help:"Make a token and print it, this once."`
	List   tokenListCommand   `cmd:"" help:"List tokens, without their secrets."`
	Revoke tokenRevokeCommand `cmd:"" help:"Revoke a token; its streams end."`
}

type tokenCreateCommand struct {
	clientFlags
	Name     string   `arg:"" help:"What it is for; viewers opened with it carry this name."`
	Scopes   []string `required:"" enum:"admin,deploy,publish,subscribe" placeholder:"SCOPE" help:"Any of ${enum}."`
	Subjects []string `placeholder:"PATTERN" help:"What publish and subscribe are for, such as quotes.>; all by default."`
	TTL      string   `name:"ttl" placeholder:"DURATION" help:"How long it is valid, such as 720h; for ever by default."`
}

// Run makes the token. Only the token goes to standard output, so that a script can take it.
func (c *tokenCreateCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	body := map[string]any{"name": c.Name, "scopes": c.Scopes}
	if len(c.Subjects) > 0 {
		body["subjects"] = c.Subjects
	}
	if c.TTL != "" {
		body["ttl"] = c.TTL
	}
	var made struct{ ID, Token string }
	if err := client.do(ctx, call{method: http.MethodPost, path: pathOf("tokens"), json: body}, &made); err != nil {
		return err
	}
	con.printf("%s\n", made.Token)
	con.notef("Token %s is shown only now; revoke it with millrace token revoke %s --tenant %s.\n", made.ID, made.ID, c.Tenant)
	return nil
}

type tokenListCommand struct{ clientFlags }

// listedToken is what the API tells of a token.
type listedToken struct {
	ID, Name string
	Scopes   []string
	Subjects []string
	Created  time.Time
	Expires  time.Time
}

// Run prints a table, oldest first.
func (c *tokenListCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	var answer struct{ Tokens []listedToken }
	if err := client.do(ctx, call{method: http.MethodGet, path: pathOf("tokens")}, &answer); err != nil {
		return err
	}
	w := newTable(con.out)
	w.row("ID", "NAME", "SCOPES", "SUBJECTS", "CREATED", "EXPIRES")
	for _, t := range answer.Tokens {
		subjects, expires := strings.Join(t.Subjects, ","), "never"
		if subjects == "" {
			subjects = "all"
		}
		if !t.Expires.IsZero() {
			expires = t.Expires.Local().Format(time.DateTime)
		}
		w.row(t.ID, t.Name, strings.Join(t.Scopes, ","), subjects, t.Created.Local().Format(time.DateTime), expires)
	}
	return w.flush()
}

type tokenRevokeCommand struct {
	clientFlags
	ID string `arg:"" help:"The token's id, from token list."`
}

// Run revokes the token.
func (c *tokenRevokeCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := client.do(ctx, call{method: http.MethodDelete, path: pathOf("tokens", c.ID)}, nil); err != nil {
		return err
	}
	con.notef("Token %s is revoked.\n", c.ID)
	return nil
}
