package main

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestWithinEndsTheInnerPartFirst(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var ended []string // outer appends only after inner has returned: no lock is needed
	part := func(name string, started func()) func(context.Context) error {
		return func(ctx context.Context) error {
			started()
			<-ctx.Done()
			ended = append(ended, name)
			return ctx.Err()
		}
	}
	if err := within(ctx, part("outer", func() {}), part("inner", cancel)); err != nil {
		t.Errorf("a stop that was asked for is the error %v", err)
	}
	if want := []string{"inner", "outer"}; !slices.Equal(ended, want) {
		t.Errorf("ended %v, want %v", ended, want)
	}
}

func TestWithinReportsBothErrors(t *testing.T) {
	broken, late := errors.New("broken"), errors.New("late")
	err := within(t.Context(),
		func(context.Context) error { return broken },
		func(ctx context.Context) error { <-ctx.Done(); return late })
	if !errors.Is(err, broken) || !errors.Is(err, late) {
		t.Errorf("within = %v, want both errors", err)
	}
}

func TestRunAllStopsTheOthersAndReturnsTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	err := runAll(t.Context(),
		func(context.Context) error { return broken },
		func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	if !errors.Is(err, broken) {
		t.Errorf("runAll = %v, want %v", err, broken)
	}
}
