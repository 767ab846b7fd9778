package wire_test

import "syscall"

// smallBuffer has a socket take in as little as the system lets it.
func smallBuffer(fd uintptr) {
	_ = syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1)
}

// smallPackets leaves out what Windows does not let one set.
func smallPackets(fd uintptr) { smallBuffer(fd) }
