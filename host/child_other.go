//go:build !linux

package host

import (
	"os/exec"
	"time"
)

// limitProcess does nothing where no limit counts what Go takes: the collector's limit and the
// timeout remain.
func limitProcess(int64, time.Duration) error { return nil }

func detach(*exec.Cmd) {}
