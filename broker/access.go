package broker

import (
	"encoding/json"
	"fmt"
)

// Origins is a route's cors: none, "*", one origin or a list of them. As JSON it is a string while
// it has at most one.
type Origins []string

// MarshalJSON writes one origin as a string.
func (o Origins) MarshalJSON() ([]byte, error) {
	switch len(o) {
	case 0:
		return []byte(`""`), nil
	case 1:
		return json.Marshal(o[0])
	}
	return json.Marshal([]string(o))
}

// UnmarshalJSON takes a string or a list.
func (o *Origins) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*o = nil
		if one != "" {
			*o = Origins{one}
		}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil {
		return fmt.Errorf("cors is neither an origin nor a list of origins")
	}
	*o = many
	return nil
}

// Access says who may open a route: everybody (Public), holders of a token with subscribe on the
// resulting subjects (the zero value), or principals with the given Claims.
type Access struct {
	Public bool
	Claims map[string]any
}

// IsZero tells whether a is private.
func (a Access) IsZero() bool { return !a.Public && a.Claims == nil }

// MarshalJSON writes "public", "private" or {"claims": …}.
func (a Access) MarshalJSON() ([]byte, error) {
	switch {
	case a.Public:
		return []byte(`"public"`), nil
	case a.Claims == nil:
		return []byte(`"private"`), nil
	}
	return json.Marshal(map[string]any{"claims": a.Claims})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Access) UnmarshalJSON(b []byte) error {
	var word string
	if json.Unmarshal(b, &word) == nil {
		switch word {
		case "public":
			*a = Access{Public: true}
		case "private", "":
			*a = Access{}
		default:
			return fmt.Errorf("access %q is none of public, private and {\"claims\": …}", word)
		}
		return nil
	}
	var doc struct {
		Claims map[string]any `json:"claims"`
	}
	if err := json.Unmarshal(b, &doc); err != nil || doc.Claims == nil {
		return fmt.Errorf("access is none of public, private and {\"claims\": …}")
	}
	*a = Access{Claims: doc.Claims}
	return nil
}
