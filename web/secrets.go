package web

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
)

func (s *Server) secretCalls(api huma.API) {
	const all, one = "/v1/tenants/{tenant}/secrets", "/v1/tenants/{tenant}/secrets/{secret}"
	register(s, api, operation(http.MethodGet, all, "listSecrets", "List secrets, without their values", scopeDeploy), s.listSecrets)
	put := operation(http.MethodPut, one, "putSecret", "Store a secret; the body is its value, which cannot be read again", scopeDeploy)
	put.DefaultStatus, put.MaxBodyBytes = http.StatusNoContent, broker.MaxSecretBytes
	register(s, api, put, s.putSecret)
	del := operation(http.MethodDelete, one, "deleteSecret", "Delete a secret", scopeDeploy)
	del.DefaultStatus = http.StatusNoContent
	register(s, api, del, s.deleteSecret)
}

// SecretPath is the input of calls on a secret.
type SecretPath struct {
	TenantPath
	Secret string `path:"secret"`
}

// secretInfo is a secret as it is listed.
type secretInfo struct {
	Name  string    `json:"name"`
	Put   time.Time `json:"put" doc:"When it was stored last"`
	Hosts []string  `json:"hosts,omitempty" doc:"It is sent to these alone; none is all that the tenant may reach"`
}

type secretsOut struct {
	Body struct {
		Secrets []secretInfo `json:"secrets"`
	}
}

func (s *Server) listSecrets(ctx context.Context, in *TenantPath) (*secretsOut, error) {
	v, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	out := &secretsOut{}
	out.Body.Secrets = []secretInfo{}
	for _, name := range sortedKeys(v.Secrets) {
		out.Body.Secrets = append(out.Body.Secrets, secretInfo{name, v.Secrets[name].Put, v.Secrets[name].Hosts})
	}
	return out, nil
}

func (s *Server) putSecret(ctx context.Context, in *struct {
	SecretPath
	Hosts   []string `query:"hosts" maxItems:"32" doc:"It is sent to these alone: api.example.com, *.example.com, an IP address; none is all that the tenant may reach"`
	RawBody []byte   `contentType:"application/octet-stream"`
}) (*noContent, error) {
	if !abi.ValidName(in.Secret) {
		return nil, badName("secret")
	}
	if !utf8.Valid(in.RawBody) || strings.ContainsFunc(strings.TrimSpace(string(in.RawBody)), isControl) {
		return nil, bad("body", "The secret is not one line of text, which is all that a header can carry.")
	}
	return nil, s.broker.PutSecret(ctx, in.Tenant, in.Secret, in.RawBody, in.Hosts...)
}

// isControl tells whether r cannot stand in a header's value.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func (s *Server) deleteSecret(ctx context.Context, in *SecretPath) (*noContent, error) {
	return nil, s.broker.DeleteSecret(ctx, in.Tenant, in.Secret)
}
