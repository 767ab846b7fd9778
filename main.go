// Command millrace is an event streaming platform in one binary: a server that takes events in,
// lets plugins change them and streams them to browsers, and the tools to use it.
//
// The package reads flags and configuration, wires broker, host and web together and ends them in
// order. It holds no logic of theirs.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // the terminal was closed, and nohup does not hold against it
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, stop) // the first signal ends in good order, a second one at once
	c := &console{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	if self, err := os.Executable(); err == nil {
		c.compiler = []string{self, compileCommand}
	}
	os.Exit(run(ctx, os.Args[1:], c))
}
