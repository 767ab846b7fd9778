package cluster

import (
	"encoding/json"
	"errors"
	"testing"
)

// resum gives an edited file the sum that belongs to it, so that what lies behind that wall is seen.
func resum(t testing.TB, b []byte, edit func(*keyFile)) []byte {
	t.Helper()
	var f keyFile
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	edit(&f)
	f.Sum = f.sum()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func encoded(t testing.TB) []byte {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPartsThatDoNotBelongTogether(t *testing.T) {
	good, other := encoded(t), keyFile{}
	if err := json.Unmarshal(encoded(t), &other); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		edit func(*keyFile)
		ok   bool
	}{
		{"a file whose sum is right", func(f *keyFile) { f.Note = "kept by Ann" }, true},
		{"another authority's certificate", func(f *keyFile) { f.Certificate = other.Certificate }, false},
		{"no certificate", func(f *keyFile) { f.Certificate = "" }, false},
		{"two certificates", func(f *keyFile) { f.Certificate += f.Certificate }, false},
		{"the key for a certificate", func(f *keyFile) { f.Certificate = f.Key }, false},
		{"no key", func(f *keyFile) { f.Key = toPEM(keyBlock, nil) }, false},
		{"a short master", func(f *keyFile) { f.Master = f.Master[:31] }, false},
		{"an account for the operator", func(f *keyFile) { f.Identity = f.System }, false},
		{"an operator for the system account", func(f *keyFile) { f.System = f.Signing }, false},
		{"a seed with a slip", func(f *keyFile) { f.Signing = f.Signing[:10] + "A" + f.Signing[11:] + "A" }, false},
		{"a later version behind an earlier one's sum", func(f *keyFile) { f.Version = -1 }, false},
	} {
		_, err := Parse(resum(t, good, tt.edit))
		if tt.ok != (err == nil) || err != nil && !errors.Is(err, ErrNotKey) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// FuzzParse: whatever a file holds, Parse returns; and what it accepts it can write again.
func FuzzParse(f *testing.F) {
	good := encoded(f)
	f.Add(good)
	f.Add(resum(f, good, func(k *keyFile) { k.Certificate = k.Key }))
	f.Add(resum(f, good, func(k *keyFile) { k.Signing = "SO" }))
	f.Add([]byte(`{"millraceClusterKey":1,"sum":""}`))
	f.Add([]byte(`{"millraceClusterKey":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		check := func(b []byte) {
			k, err := Parse(b)
			if err != nil {
				return
			}
			again, err := k.Encode()
			if err != nil {
				t.Fatalf("encode what was parsed: %v", err)
			}
			if read, err := Parse(again); err != nil || read.Name() != k.Name() {
				t.Fatalf("parse what was encoded: %v, %v", read, err)
			}
		}
		check(b)
		var edited keyFile
		if json.Unmarshal(b, &edited) == nil { // the same with its right sum
			edited.Sum = edited.sum()
			if b, err := json.Marshal(edited); err == nil {
				check(b)
			}
		}
	})
}
