package main

import (
	"go/build"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/millrace/millrace"

// allowed is what the code of a folder may import beside the standard library: ours by folder, that
// of others by the beginning of its path. Imports point down, and host and broker never meet. In a
// folder, "*" stands for one name and "..." at the end for all that is below.
var allowed = map[string]struct{ ours, others []string }{
	".": {
		ours:   []string{"abi", "abi/sse", "bench", "broker", "broker/backup", "broker/cluster", "broker/source", "broker/source/sourcetest", "host", "web", "plugins"},
		others: []string{"github.com/alecthomas/kong", "go.yaml.in/yaml/v3", "golang.org/x/term"},
	},
	"abi":           {},
	"abi/sse":       {ours: []string{"abi"}},
	"abi/guest":     {ours: []string{"abi", "abi/guest/..."}},
	"abi/guest/...": {ours: []string{"abi", "abi/guest", "abi/guest/..."}},
	"host": {
		ours:   []string{"abi", "host/..."},
		others: []string{"github.com/tetratelabs/wazero", "golang.org/x/sys/unix", "golang.org/x/time/rate"},
	},
	"host/wasm": {},
	"broker": {
		ours:   []string{"abi", "broker/backup", "broker/cluster", "broker/source"},
		others: []string{"github.com/nats-io/", "github.com/klauspost/compress/s2"},
	},
	"broker/natstest":   {others: []string{"github.com/nats-io/"}},
	"broker/backup":     {},
	"broker/cluster":    {others: []string{"github.com/nats-io/nkeys", "golang.org/x/sys"}},
	"broker/source":     {ours: []string{"abi", "abi/sse"}, others: []string{"github.com/klauspost/compress", "github.com/andybalholm/brotli"}},
	"broker/source/...": {ours: []string{"abi", "abi/sse", "broker/source"}, others: []string{"github.com/klauspost/compress", "github.com/andybalholm/brotli"}},
	"web": {
		ours:   []string{"abi", "abi/sse", "broker", "broker/backup", "broker/source", "host", "web/wire"},
		others: []string{"github.com/labstack/echo/v4", "github.com/danielgtaylor/huma/v2", "github.com/prometheus/client_golang", "golang.org/x/time/rate"},
	},
	"web/wire":         {ours: []string{"abi", "abi/sse"}, others: []string{"golang.org/x/sys/unix"}},
	"bench":            {ours: []string{"abi", "abi/sse"}, others: []string{"github.com/HdrHistogram/hdrhistogram-go", "golang.org/x/sys/unix"}},
	"bench/limits/*":   {others: []string{"github.com/nats-io/", "golang.org/x/sys/unix"}},
	"bench/capacity":   {},
	"bench/peers/grip": {},
	"plugins":          {},
	"plugins/*":        {ours: []string{"abi", "abi/guest", "abi/guest/..."}},
}

// platforms are looked at each: a file may be for one of them only.
var platforms = []struct{ os, arch string }{{"linux", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"wasip1", "wasm"}}

func TestImportsPointDown(t *testing.T) {
	for folder, imports := range importsOf(t, ".") {
		rule, ok := ruleFor(folder)
		if !ok {
			t.Errorf("folder %s is not in the table of what may import what: add it", folder)
			continue
		}
		for _, imported := range imports {
			if !rule(imported) {
				t.Errorf("%s imports %s, which the table does not allow", folder, imported)
			}
		}
	}
}

func TestTheTableRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, folder, imported string
		want                   bool
	}{
		{"host and broker never meet", "host", module + "/broker", false},
		{"nor the other way round", "broker", module + "/host", false},
		{"nothing imports web but main", "broker", module + "/web", false},
		{"a library stays in its folder", "web", "github.com/nats-io/nats.go", false},
		{"the contract imports nothing", "abi", module + "/abi/sse", false},
		{"nothing imports tests", "web", module + "/tests", false},
		{"main wires all", ".", module + "/web", true},
		{"nothing imports main", "web", module, false},
		{"plugins use the SDK", "plugins/basic", module + "/abi/guest", true},
		{"plugins use nothing else", "plugins/basic", module + "/broker", false},
		{"the standard library is free", "abi", "encoding/binary", true},
	} {
		rule, ok := ruleFor(tt.folder)
		if !ok {
			t.Fatalf("%s: no rule for %s", tt.name, tt.folder)
		}
		if got := rule(tt.imported); got != tt.want {
			t.Errorf("%s: %s may import %s: %v, want %v", tt.name, tt.folder, tt.imported, got, tt.want)
		}
	}
}

// ruleFor returns what tells whether folder may import a path. The programs of tests may import all.
func ruleFor(folder string) (allows func(string) bool, ok bool) {
	if folder == "tests" || matches("tests/...", folder) {
		return func(string) bool { return true }, true
	}
	for pattern, rule := range allowed {
		if !matches(pattern, folder) {
			continue
		}
		return func(imported string) bool {
			if imported == module {
				return false
			}
			if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
				return slices.ContainsFunc(rule.ours, func(p string) bool { return matches(p, ours) })
			}
			if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
				return true // the standard library
			}
			return slices.ContainsFunc(rule.others, func(prefix string) bool { return strings.HasPrefix(imported, prefix) })
		}, true
	}
	return nil, false
}

func matches(pattern, folder string) bool {
	if above, ok := strings.CutSuffix(pattern, "/..."); ok {
		return strings.HasPrefix(folder, above+"/")
	}
	match, _ := path.Match(pattern, folder)
	return match
}

// importsOf returns the imports of each folder's code, without its tests.
func importsOf(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if dir != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || isModule(dir)) {
			return filepath.SkipDir
		}
		for _, p := range platforms {
			context := build.Default
			context.GOOS, context.GOARCH, context.CgoEnabled = p.os, p.arch, false
			pkg, err := context.ImportDir(dir, 0)
			if _, none := err.(*build.NoGoError); none {
				continue
			}
			if err != nil {
				return err
			}
			folder := filepath.ToSlash(dir)
			found[folder] = append(found[folder], pkg.Imports...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, imports := range found {
		slices.Sort(imports)
		found[folder] = slices.Compact(imports)
	}
	return found
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
