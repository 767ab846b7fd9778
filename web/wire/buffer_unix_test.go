//go:build unix

package wire_test

import "syscall"

// smallBuffer has a socket take in as little as the system lets it.
func smallBuffer(fd uintptr) {
	_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1)
}

// smallPackets has a socket take in a few packets, each as large as over Ethernet.
func smallPackets(fd uintptr) {
	_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1460)
}
