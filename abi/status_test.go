package abi_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/millrace/millrace/abi"
)

func TestStatusHasAText(t *testing.T) {
	for status, want := range map[abi.Status]string{
		abi.OK:          "ok",
		abi.Closed:      "stream has ended",
		abi.Timeout:     "timed out",
		abi.TooBig:      "over the size limit",
		abi.Invalid:     "invalid argument",
		abi.Limit:       "quota or rate is used up",
		abi.Denied:      "not granted",
		abi.NotFound:    "not found",
		abi.Unavailable: "not possible here or now",
		-9:              "unknown status",
		math.MinInt32:   "unknown status",
		-1 << 30:        "unknown status",
		1:               "unknown status",
	} {
		if got := status.Error(); got != want {
			t.Errorf("Status(%d).Error() = %q, want %q", int32(status), got, want)
		}
	}
}

func TestStatusOf(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want abi.Status
	}{
		{"no error is OK", nil, abi.OK},
		{"a status is itself", abi.Closed, abi.Closed},
		{"a wrapped status is found", fmt.Errorf("get key: %w", abi.NotFound), abi.NotFound},
		{"a joined status is found", errors.Join(io.EOF, abi.Limit), abi.Limit},
		{"another error is Unavailable", io.EOF, abi.Unavailable},
	} {
		if got := abi.StatusOf(tt.err); got != tt.want {
			t.Errorf("%s: StatusOf(%v) = %d, want %d", tt.name, tt.err, got, tt.want)
		}
	}
}
