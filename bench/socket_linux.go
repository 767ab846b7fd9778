package bench

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// slowSegment is what a slow viewer takes at once, as over Ethernet. Loopback's 64 KiB are more than its
// window, and would come only when the sender's timer, ever more seldom, tries a part of them.
const slowSegment = 1460

// connect opens a socket that is connected and does not block. Its end leaves nothing behind in the
// system, so that the next run finds its ports free.
func (r *pollReader) connect(slow bool) (socket int, err error) {
	family, server := socketAddress(r.target.address)
	socket, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	seconds := unix.NsecToTimeval(dialTimeout.Nanoseconds())
	err = errors.Join(
		unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &seconds),
		unix.SetsockoptLinger(socket, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
		r.bind(socket),
	)
	if slow {
		err = errors.Join(err,
			unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_RCVBUF, 4*slowBytes), // else the kernel would read for it
			unix.SetsockoptInt(socket, unix.IPPROTO_TCP, unix.TCP_MAXSEG, slowSegment))
	}
	if err == nil {
		err = os.NewSyscallError("connect", awaitConnect(socket, unix.Connect(socket, server)))
	}
	if err == nil {
		err = unix.SetNonblock(socket, true)
	}
	if err != nil {
		_ = unix.Close(socket)
	}
	return socket, err
}

// perAddress is how many viewers share an address: a system has about 28,000 ports for connections
// from one address to one server.
const perAddress = 20_000

// bind gives a connection over loopback one of loopback's many addresses.
func (r *pollReader) bind(socket int) error {
	if server := r.target.address.IP.To4(); server == nil || !server.IsLoopback() {
		return nil
	}
	i := r.opened.Add(1) / perAddress
	own := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 1, byte(1 + i%250)}}
	return os.NewSyscallError("bind", errors.Join(
		unix.SetsockoptInt(socket, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.Bind(socket, own)))
}

func socketAddress(a *net.TCPAddr) (family int, address unix.Sockaddr) {
	if ip := a.IP.To4(); ip != nil {
		return unix.AF_INET, &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(ip)}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: a.Port, Addr: [16]byte(a.IP.To16())}
}

// awaitConnect waits for a connect that a signal interrupted, which goes on all the same.
func awaitConnect(socket int, err error) error {
	if err != unix.EINTR {
		return err
	}
	for err == unix.EINTR {
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(socket), Events: unix.POLLOUT}}, int(dialTimeout.Milliseconds()))
	}
	if err != nil {
		return err
	}
	code, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return err
}

// sendAll sends b on a socket that was just connected, which has room for a request.
func sendAll(socket int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(socket, b)
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("write", err)
		}
		b = b[max(n, 0):]
	}
	return nil
}
