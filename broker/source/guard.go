package source

import (
	"net/netip"
	"syscall"
)

// guard refuses addresses that a tenant's request may not go to. It is asked for the address that
// is about to be dialled, so that no name and no redirect leads around it, whatever it resolves to
// a moment later.
type guard struct {
	allowPrivate bool // except those that are never for requests
}

// never are ranges that no request has business with: link-local addresses, among them most
// clouds' metadata, and what is no single host.
var never = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
	"100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::/32", // metadata elsewhere
	"::/128", "fe80::/10", "ff00::/8", "100::/64",
)

// private are ranges that belong to the network that the server runs in, or that lead back into it.
var private = prefixes(
	"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"::/96", "64:ff9b:1::/48", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16",
	"fc00::/7", "fec0::/10",
)

// nat64 are addresses with an IPv4 address in their last four bytes.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// control is a net.Dialer's Control.
func (g guard) control(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return denied("%s address %q", network, address)
	}
	return g.check(to.Addr())
}

// check returns nil for an address that may be dialled. The error wraps abi.Denied.
func (g guard) check(addr netip.Addr) error {
	ip := addr.WithZone("").Unmap()
	if nat64.Contains(ip) {
		bytes := ip.As16()
		ip = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	switch {
	case within(never, ip):
		return denied("address %s is link-local, metadata or no single host", addr)
	case !g.allowPrivate && within(private, ip):
		return denied("address %s is private or loopback, and the server runs without --allow-private-outbound", addr)
	}
	return nil
}

func within(ranges []netip.Prefix, ip netip.Addr) bool {
	for _, r := range ranges {
		if r.Contains(ip) {
			return true
		}
	}
	return false
}
