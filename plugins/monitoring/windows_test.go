package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/millrace/millrace/abi"
)

func TestMetricsAreBounded(t *testing.T) {
	ws := windows{}
	for i := range maxMetrics {
		if _, err := ws.add(sample{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ws.add(sample{Name: "one more"}); !errors.Is(err, abi.Limit) {
		t.Errorf("one more: %v, want %v", err, abi.Limit)
	}
	if _, err := ws.add(sample{Name: "7"}); err != nil {
		t.Errorf("one that is there: %v", err)
	}
}
