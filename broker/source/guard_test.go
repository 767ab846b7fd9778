package source_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
)

func TestGuard(t *testing.T) {
	for _, tt := range []struct {
		name, addr       string
		strict, forgiven bool // whether it may be dialled, also with AllowPrivate
	}{
		{"a public address", "93.184.216.34", true, true},
		{"a public IPv6 address", "2606:2800:220:1::1", true, true},
		{"loopback", "127.8.0.1", false, true},
		{"IPv6 loopback", "::1", false, true},
		{"loopback as IPv4 in IPv6", "::ffff:127.0.0.1", false, true},
		{"loopback behind NAT64", "64:ff9b::7f00:1", false, true},
		{"a public address behind NAT64", "64:ff9b::5db8:d822", true, true},
		{"private, 10", "10.1.2.3", false, true},
		{"private, 172.16", "172.31.255.255", false, true},
		{"just behind it", "172.32.0.0", true, true},
		{"private, 192.168", "192.168.0.1", false, true},
		{"shared between providers", "100.64.0.1", false, true},
		{"unique local", "fd12::1", false, true},
		{"6to4", "2002:7f00:1::1", false, true},
		{"Teredo", "2001::1", false, true},
		{"link-local", "169.254.1.1", false, false},
		{"metadata", "169.254.169.254", false, false},
		{"metadata behind NAT64", "64:ff9b::a9fe:a9fe", false, false},
		{"metadata as IPv4 in IPv6", "::ffff:169.254.169.254", false, false},
		{"metadata by IPv6", "fd00:ec2::254", false, false},
		{"metadata of another cloud", "100.100.100.200", false, false},
		{"link-local IPv6 with a zone", "fe80::1%eth0", false, false},
		{"unspecified", "0.0.0.0", false, false},
		{"unspecified IPv6", "::", false, false},
		{"multicast", "224.0.0.1", false, false},
		{"IPv6 multicast", "ff02::1", false, false},
		{"broadcast", "255.255.255.255", false, false},
	} {
		addr := netip.MustParseAddr(tt.addr)
		for _, allow := range []bool{false, true} {
			err := source.CheckAddress(addr, allow)
			want := tt.strict
			if allow {
				want = tt.forgiven
			}
			if (err == nil) != want || err != nil && !errors.Is(err, abi.Denied) {
				t.Errorf("%s: %s with AllowPrivate %v: %v", tt.name, addr, allow, err)
			}
		}
	}
}
