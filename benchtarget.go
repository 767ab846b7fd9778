package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/millrace/millrace/bench"
)

// aim points config at the server's tenant, which is made for the run if none is named. done undoes
// what was made.
func (c *benchCommand) aim(ctx context.Context, config *bench.Config) (done func() error, err error) {
	if c.CA != "" {
		return nil, errors.New("bench takes no --ca: name the certificates in the environment, as SSL_CERT_FILE")
	}
	tenant, path := c.Tenant, c.Path
	if tenant == "" {
		tenant = "bench-" + strings.ToLower(rand.Text()[:10])
	}
	client, err := c.client(tenant)
	if err != nil {
		return nil, err
	}
	done = func() error { return nil }
	if c.Tenant == "" {
		path = "/bench"
		if done, err = makeBenchTenant(ctx, client, c.Subject); err != nil {
			return nil, err
		}
	}
	var header []string
	authorization := ""
	if client.token != "" {
		authorization = "Bearer " + client.token
		header = []string{"Authorization: " + authorization}
	}
	below := client.server.String()
	events := below + "/v1/tenants" + pathOf(tenant, "events")
	config.Stream = bench.Request{URL: below + "/t" + pathOf(tenant) + path, Header: header}
	if path == "" {
		config.Stream.URL = events + "?subject=" + url.QueryEscape(c.Subject)
	}
	config.Publish = bench.Request{URL: events + pathOf(c.Subject), Header: header, Body: c.PublishBody}
	config.Usage = bench.Metrics(below+"/metrics", authorization)
	return done, nil
}

// makeBenchTenant makes a tenant with a public route to the subject.
func makeBenchTenant(ctx context.Context, client *client, subject string) (remove func() error, err error) {
	if err := client.do(ctx, call{method: http.MethodPut, json: struct{}{}}, nil); err != nil {
		return nil, fmt.Errorf("make a tenant for the run, which needs the operator's token (or name one with --tenant): %w", err)
	}
	remove = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err := client.do(ctx, call{method: http.MethodDelete}, nil); err != nil {
			return fmt.Errorf("delete the run's tenant %s: %w", client.tenant, err)
		}
		return nil
	}
	route := map[string]any{"path": "/bench", "subjects": []string{subject}, "access": "public"}
	if err := client.do(ctx, call{method: http.MethodPut, path: pathOf("routes", "bench"), json: route}, nil); err != nil {
		_ = remove() // the first error tells more
		return nil, fmt.Errorf("make a route for the run: %w", err)
	}
	return remove, nil
}
