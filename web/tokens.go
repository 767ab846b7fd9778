package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/broker"
)

func (s *Server) tokenCalls(api huma.API) {
	const all, one = "/v1/tenants/{tenant}/tokens", "/v1/tenants/{tenant}/tokens/{id}"
	make := operation(http.MethodPost, all, "createToken", "Make a token; its secret is shown once", scopeAdmin)
	make.DefaultStatus = http.StatusCreated
	register(s, api, make, s.createToken)
	register(s, api, operation(http.MethodGet, all, "listTokens", "List tokens, without their secrets", scopeAdmin), s.listTokens)
	revoke := operation(http.MethodDelete, one, "revokeToken", "Revoke a token and end its streams", scopeAdmin)
	revoke.DefaultStatus = http.StatusNoContent
	register(s, api, revoke, s.revokeToken)
}

type tokenSpec struct {
	Name     string   `json:"name" minLength:"1" maxLength:"100"`
	Scopes   []string `json:"scopes" minItems:"1" enum:"admin,deploy,publish,subscribe"`
	Subjects []string `json:"subjects,omitempty" maxItems:"64" doc:"Patterns that publish and subscribe are for; none is all"`
	TTL      string   `json:"ttl,omitempty" doc:"How long it is valid, such as 720h; none is until it is revoked"`
}

type createdToken struct {
	Body struct {
		ID    string `json:"id"`
		Token string `json:"token"`
	}
}

func (s *Server) createToken(ctx context.Context, in *struct {
	TenantPath
	Body tokenSpec
}) (*createdToken, error) {
	if in.Body.Name == operatorName {
		return nil, bad("body.name", "The name %s is not for tokens.", operatorName)
	}
	t := broker.Token{Name: in.Body.Name, Scopes: in.Body.Scopes, Subjects: in.Body.Subjects, Created: s.broker.Now().UTC()}
	for _, pattern := range t.Subjects {
		if err := broker.ValidPattern(pattern); err != nil {
			return nil, bad("body.subjects", "The subject %q %s.", pattern, reason(err))
		}
	}
	if in.Body.TTL != "" {
		d, err := time.ParseDuration(in.Body.TTL)
		if err != nil || d <= 0 {
			return nil, bad("body.ttl", "ttl is no positive duration, such as 720h.")
		}
		t.Expires = t.Created.Add(d)
	}
	view, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	if err := roomFor(view.Tokens, "", "tokens", maxTokens); err != nil {
		return nil, err
	}
	out := &createdToken{}
	t.ID, out.Body.Token, t.Hash = newToken()
	out.Body.ID = t.ID
	return out, s.broker.PutToken(ctx, in.Tenant, t)
}

// tokenInfo is a token as it is listed.
type tokenInfo struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Scopes   []string  `json:"scopes"`
	Subjects []string  `json:"subjects,omitempty"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`
}

type tokensOut struct {
	Body struct {
		Tokens []tokenInfo `json:"tokens"`
	}
}

func (s *Server) listTokens(ctx context.Context, in *TenantPath) (*tokensOut, error) {
	v, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	out := &tokensOut{}
	out.Body.Tokens = []tokenInfo{}
	for _, t := range v.Tokens {
		out.Body.Tokens = append(out.Body.Tokens, tokenInfo{t.ID, t.Name, t.Scopes, t.Subjects, t.Created, t.Expires})
	}
	slices.SortFunc(out.Body.Tokens, func(a, b tokenInfo) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

func (s *Server) revokeToken(ctx context.Context, in *struct {
	TenantPath
	ID string `path:"id"`
}) (*noContent, error) {
	return nil, s.broker.DeleteToken(ctx, in.Tenant, in.ID)
}
