package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
)

// Scopes of a token.
const (
	scopeAdmin     = "admin"     // all of the tenant
	scopeDeploy    = "deploy"    // plugins, routes, sources and secrets
	scopePublish   = "publish"   // events, to the token's subjects
	scopeSubscribe = "subscribe" // streams, of the token's subjects

	scopeOperator = "operator" // tenants; only the operator's token has it
)

// need is what a request asks for; admit holds it against who asks.
type need struct {
	scope    string         // one of the above
	subjects []string       // patterns that the token must cover
	public   bool           // a public route: a token is not needed, but a bad one is still refused
	claims   map[string]any // a route that asks for claims
}

// principal is who was admitted.
type principal struct {
	operator bool
	token    *broker.Token // nil for the operator and for nobody
}

// operatorName is the operator's name to callbacks.
const operatorName = "operator"

// expires is when the principal's token ends; zero is never.
func (p principal) expires() time.Time {
	if p.token == nil {
		return time.Time{}
	}
	return p.token.Expires
}

// abi is the principal as callbacks see it; nil for nobody.
func (p principal) abi() *abi.Principal {
	switch {
	case p.operator:
		return &abi.Principal{Subject: operatorName}
	case p.token != nil:
		return &abi.Principal{Subject: p.token.Name}
	}
	return nil
}

// admit is the one access check: every call of the admin API and every open of a stream goes
// through its two halves, who asks and what it may. Cookies, tickets and JWTs get their place in
// credentials and identify.
func (s *Server) admit(r *http.Request, view *broker.View, n need) (principal, error) {
	p, err := s.authenticate(r, view, n.public)
	if err != nil {
		return p, err
	}
	return p, p.allowed(n)
}

// authenticate finds who asks. Nobody is an answer where the route is public; a bad token is none.
func (s *Server) authenticate(r *http.Request, view *broker.View, public bool) (principal, error) {
	secret := credentials(r)
	if secret == "" && public {
		return principal{}, nil
	}
	if secret == "" {
		return principal{}, noToken()
	}
	p, ok := s.identify(secret, view)
	if !ok {
		return principal{}, fail(http.StatusUnauthorized,
			"The token is not valid here: it is unknown, revoked, expired or another tenant's.").isUnknown()
	}
	return p, nil
}

func noToken() error {
	return fail(http.StatusUnauthorized, "A token is needed: send it as Authorization: Bearer.")
}

// allowed checks whether the principal may do n.
func (p principal) allowed(n need) error {
	if p.operator || n.public {
		return nil
	}
	if p.token == nil {
		return noToken()
	}
	scopes := p.token.Scopes
	if slices.Contains(scopes, scopeAdmin) && n.scope != scopeOperator {
		return nil
	}
	if !slices.Contains(scopes, n.scope) {
		return fail(http.StatusForbidden, "The token lacks the scope %s.", n.scope)
	}
	for _, want := range n.subjects {
		if !coveredBy(p.token.Subjects, want) {
			return fail(http.StatusForbidden, "The token does not cover the subject %s.", want)
		}
	}
	if len(n.claims) > 0 {
		return fail(http.StatusForbidden, "The route asks for claims, which the token does not carry.")
	}
	return nil
}

// credentials is the secret that the request brings, or "".
func credentials(r *http.Request) string {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

// identify finds whose secret it is. view is nil where only the operator can be meant.
func (s *Server) identify(secret string, view *broker.View) (principal, bool) {
	if subtle.ConstantTimeCompare([]byte(secret), []byte(s.config.AdminToken)) == 1 {
		return principal{operator: true}, true
	}
	if view == nil {
		return principal{}, false
	}
	id, ok := tokenID(secret)
	if !ok {
		return principal{}, false
	}
	t, ok := view.Tokens[id]
	hash := sha256.Sum256([]byte(secret))
	if !ok || subtle.ConstantTimeCompare(hash[:], t.Hash) != 1 || s.expired(t) {
		return principal{}, false
	}
	return principal{token: &t}, true
}

func (s *Server) expired(t broker.Token) bool {
	return !t.Expires.IsZero() && !s.broker.Now().Before(t.Expires)
}

// newToken makes a token's id and secret. The secret is mr_, the id, _ and 256 random bits, so that
// the id finds the hash; only the SHA-256 of the whole is kept.
func newToken() (id, secret string, hash []byte) {
	id = strings.ToLower(rand.Text()[:12])
	var b [32]byte
	rand.Read(b[:])
	secret = "mr_" + id + "_" + base64.RawURLEncoding.EncodeToString(b[:])
	sum := sha256.Sum256([]byte(secret))
	return id, secret, sum[:]
}

func tokenID(secret string) (string, bool) {
	rest, ok := strings.CutPrefix(secret, "mr_")
	if !ok {
		return "", false
	}
	id, _, ok := strings.Cut(rest, "_")
	return id, ok
}

// coveredBy tells whether one of the patterns matches all that want, a subject or pattern, matches.
// No patterns cover everything.
func coveredBy(patterns []string, want string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return covers(p, want) })
}

func covers(pattern, want string) bool {
	ps, ws := strings.Split(pattern, "."), strings.Split(want, ".")
	for i, p := range ps {
		switch {
		case p == ">":
			return i < len(ws)
		case i >= len(ws) || ws[i] == ">":
			return false
		case p != "*" && p != ws[i]:
			return false
		}
	}
	return len(ps) == len(ws)
}
