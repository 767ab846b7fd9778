package broker

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/millrace/millrace/abi"
)

// maxOutbound bounds a tenant's allow-list.
const maxOutbound = 256

// MayReach tells whether the tenant's sources, and the streams that its plugins open, may go to
// host, a host name or an IP address without port, in lower case. Whatever Outbound says, the client
// that goes there refuses addresses that are not for tenants.
func (v *View) MayReach(host string) bool {
	return matchesHost(v.Tenant.Outbound, host)
}

func matchesHost(patterns []string, host string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
			return len(host) > len(suffix) && strings.HasSuffix(host, suffix)
		}
		return host == pattern
	})
}

func checkOutbound(patterns []string) error { return checkHosts("outbound", patterns, maxOutbound) }

// checkHosts checks patterns for hosts, of which there are at most so many.
func checkHosts(field string, patterns []string, most int) error {
	if len(patterns) > most {
		return invalid(field, "has %d hosts, more than %d", len(patterns), most)
	}
	for _, p := range patterns {
		name := strings.TrimPrefix(p, "*.")
		if _, err := netip.ParseAddr(p); err != nil && p != "*" && !isHostName(name) {
			return invalid(field, "%q is none of a host name in lower case without port, *.name, an IP address and *", p)
		}
	}
	return nil
}

// isHostName tells whether s is labels of letters, digits, - and _ between dots.
func isHostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !abi.ValidName(strings.ReplaceAll(strings.TrimLeft(label, "_"), "_", "-")) {
			return false
		}
	}
	return true
}
