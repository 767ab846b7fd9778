package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestTheBarEndsWithTheUpload(t *testing.T) {
	var out bytes.Buffer
	const size = 3 << 20
	p := &progress{r: strings.NewReader(strings.Repeat("x", size)), out: &out, label: "Uploading", total: size}
	if n, err := io.Copy(io.Discard, p); n != size || err != nil {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	if got := p.bar(); got != "Uploading [==============================] 100% of 3.0 MiB" {
		t.Errorf("bar is %q", got)
	}
	if !strings.Contains(out.String(), "\rUploading [") || !strings.HasSuffix(out.String(), " \r") {
		t.Errorf("drawn was %q; want bars, and nothing left at the end", out.String())
	}
}

func TestThereIsNoBarWhereNobodyLooksOn(t *testing.T) {
	r := strings.NewReader("x")
	if got := newProgress(r, io.Discard, "Uploading", 9<<20); got != io.Reader(r) {
		t.Errorf("a bar is drawn into %T", io.Discard)
	}
}
