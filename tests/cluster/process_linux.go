package cluster

import "syscall"

// endWithParent makes the system end the process should the test binary end without doing so.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
