package cluster_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/millrace/millrace/broker/cluster"
)

func TestAKeyIsWrittenOnceAndForItsOwnerOnly(t *testing.T) {
	k := newKey(t)
	path := filepath.Join(t.TempDir(), "cluster.key")
	if err := k.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("the file's mode is %04o, want 0600", mode)
	}
	read, err := cluster.ReadFile(path)
	if err != nil || read.AdminToken() != k.AdminToken() {
		t.Errorf("ReadFile gives %v, %v; want what was written", read, err)
	}
	if err := newKey(t).WriteFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second key over the first: %v, want fs.ErrExist", err)
	}
	if read, err := cluster.ReadFile(path); err != nil || read.Name() != k.Name() {
		t.Errorf("after that, ReadFile gives %v, %v; want the first", read, err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	good, err := newKey(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		file func(path string) error
		is   error // may be nil
		want string
	}{
		{"no file", func(string) error { return nil }, fs.ErrNotExist, "millrace cluster init --out"},
		{"others can read it", func(path string) error {
			return errors.Join(os.WriteFile(path, good, 0o600), os.Chmod(path, 0o640))
		}, nil, "chmod 600"},
		{"half a file", func(path string) error { return os.WriteFile(path, good[:len(good)/2], 0o600) }, cluster.ErrNotKey, "copy it again"},
		{"an endless file", func(path string) error { return os.WriteFile(path, make([]byte, 1<<20), 0o600) }, cluster.ErrNotKey, "copy it again"},
		{"a folder", func(path string) error { return os.Mkdir(path, 0o700) }, nil, "is not a file"},
		{"a newer version", func(path string) error {
			return os.WriteFile(path, []byte(`{"millraceClusterKey": 2, "root": "x"}`), 0o600)
		}, nil, "upgrade this node"},
	} {
		if runtime.GOOS == "windows" && tt.want == "chmod 600" {
			continue // files have no such mode there
		}
		path := filepath.Join(t.TempDir(), "cluster.key")
		if err := tt.file(path); err != nil {
			t.Fatal(err)
		}
		_, err := cluster.ReadFile(path)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v; want the path and %q", tt.name, err, tt.want)
		}
		if tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: %v is not %v", tt.name, err, tt.is)
		}
	}
}

func TestParseRefusesAllThatIsNotWhole(t *testing.T) {
	good, err := newKey(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	other, err := newKey(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(good) - 1 { // without its last line break it is whole
		if _, err := cluster.Parse(good[:i]); !errors.Is(err, cluster.ErrNotKey) {
			t.Fatalf("the first %d of %d bytes: %v, want ErrNotKey", i, len(good), err)
		}
	}
	edit := func(field string, value any) []byte {
		var f map[string]any
		if err := json.Unmarshal(good, &f); err != nil {
			t.Fatal(err)
		}
		f[field] = value
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		name string
		file []byte
	}{
		{"two keys", bytes.Repeat(good, 2)},
		{"another master", edit("master", field(t, other, "master"))},
		{"another authority's key", edit("authorityKey", field(t, other, "authorityKey"))},
		{"another operator", edit("operatorSigning", field(t, other, "operatorSigning"))},
		{"a field that is unknown", edit("extra", 1)},
		{"version 0", edit("millraceClusterKey", 0)},
		{"null", []byte("null")},
	} {
		if _, err := cluster.Parse(tt.file); !errors.Is(err, cluster.ErrNotKey) {
			t.Errorf("%s: %v, want ErrNotKey", tt.name, err)
		}
	}
}

func field(t *testing.T, key []byte, name string) any {
	t.Helper()
	var f map[string]any
	if err := json.Unmarshal(key, &f); err != nil {
		t.Fatal(err)
	}
	return f[name]
}
