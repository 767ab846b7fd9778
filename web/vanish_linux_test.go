package web_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/web"
)

// vanish makes the client's side of a connection take no packet any more and acknowledge none, as if
// the network were cut: a socket filter lets nothing through.
func (l *line) vanish() {
	l.n.t.Helper()
	raw, err := l.conn.SyscallConn()
	check(l.n.t, err)
	const returnConstant = unix.BPF_RET | unix.BPF_K // 0 bytes of the packet
	program := &unix.SockFprog{Len: 1, Filter: &unix.SockFilter{Code: returnConstant}}
	check(l.n.t, raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program)
	}))
	check(l.n.t, err)
}

// TestWhoseNetworkIsCutIsGone: the kernel would try for a quarter of an hour.
func TestWhoseNetworkIsCutIsGone(t *testing.T) {
	for _, proto := range protos {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, over(t, proto, web.Config{}))
			n.must("PUT", "/v1/tenants/acme", nil, nil)
			n.route("acme", "a", "/a", map[string]any{"subjects": []string{"a"}, "keepAliveInterval": 300})
			cut, stays := n.connect(proto, 0), n.connect(proto, 0)
			cut.open("/t/acme/a")
			v := stays.open("/t/acme/a")
			if got := n.viewers("acme", "a"); got != 2 {
				t.Fatalf("%d viewers are there, want 2", got)
			}
			cut.vanish()
			n.eventually("the one that vanished to be gone", func() bool { return n.viewers("acme", "a") == 1 })
			n.publish("acme", "a", "X")
			v.want("X")
		})
	}
}
