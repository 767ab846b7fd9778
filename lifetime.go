package main

import (
	"context"
	"errors"
	"sync"
)

// runAll runs all parts, and stops the others when one returns. It waits for them and returns the
// first one's error, or context.Canceled when there was none.
func runAll(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, run := range parts {
		wg.Go(func() { cancel(run(ctx)) })
	}
	wg.Wait()
	return context.Cause(ctx)
}

// within runs inner inside of outer's life: the end of ctx ends inner only, and outer is told to
// end once inner has returned. Should outer return first, inner is ended. It returns the errors of
// both, without those that only say that a context has ended; nil is a stop that was asked for.
func within(ctx context.Context, outer, inner func(context.Context) error) error {
	outerCtx, stopOuter := context.WithCancel(context.WithoutCancel(ctx))
	defer stopOuter()
	innerCtx, stopInner := context.WithCancel(ctx)
	defer stopInner()
	var outerErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer stopInner()
		outerErr = outer(outerCtx)
	})
	innerErr := inner(innerCtx)
	stopOuter()
	wg.Wait()
	return errors.Join(unlessCanceled(innerErr), unlessCanceled(outerErr))
}

func unlessCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
