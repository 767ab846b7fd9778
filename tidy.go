package main

import (
	"context"
	"time"
)

const (
	tidyLook  = time.Second
	tidyAfter = 1000        // viewers that came or left
	tidyCalm  = 100         // that may still do so from one look to the next
	tidyEvery = time.Minute // at most
)

// tidy calls free after a crowd of viewers came or left. To open a stream takes ten times the memory
// that it needs then, and Go keeps that until as much again was used, which may be never.
func tidy(ctx context.Context, viewers func() int64, free func()) error {
	ticker := time.NewTicker(tidyLook)
	defer ticker.Stop()
	last := viewers()
	tidied, at := last, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		now := viewers()
		if distance(now, tidied) >= tidyAfter && distance(now, last) < tidyCalm && time.Since(at) >= tidyEvery {
			free()
			tidied, at = now, time.Now()
		}
		last = now
	}
}

func distance(a, b int64) int64 { return max(a-b, b-a) }
