package host

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadTime is the processor time that the thread has taken since it began, and which thread that is.
// The caller may be on another when it returns.
func threadTime() (spent time.Duration, thread int) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0, 0
	}
	return time.Duration(t.Nano()), unix.Gettid()
}
