package broker

import "time"

// Token is one tenant's key to the HTTP API, stored as a hash. Making, showing and comparing the
// secret is web's work.
type Token struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Scopes   []string  `json:"scopes"`             // admin, deploy, publish, subscribe
	Subjects []string  `json:"subjects,omitempty"` // patterns that publish and subscribe are for; none is all
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`
	Hash     []byte    `json:"hash"` // SHA-256 of the secret
}
