package plugins_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/plugins"
)

func TestEveryFolderIsAnExample(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var folders, names []string
	for _, entry := range entries {
		if entry.IsDir() {
			folders = append(folders, entry.Name())
		}
	}
	for _, e := range plugins.Examples {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	if !slices.Equal(folders, names) {
		t.Errorf("folders %v, examples %v", folders, names)
	}
	for _, folder := range folders {
		checkReadme(t, folder)
	}
}

// checkReadme holds the pages to their five lines: what it does, its route, what to run, what one
// then sees, where it comes from.
func checkReadme(t *testing.T, folder string) {
	t.Helper()
	page, err := os.ReadFile(path.Join(folder, "README.md"))
	if err != nil {
		t.Error(err)
		return
	}
	var lines []string
	for line := range strings.Lines(string(page)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "# ") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 5 {
		t.Errorf("%s/README.md has %d lines, want 5", folder, len(lines))
	}
	if !strings.Contains(string(page), "curl -N") {
		t.Errorf("%s/README.md does not say what to run", folder)
	}
}

func TestExampleRoutes(t *testing.T) {
	for _, e := range plugins.Examples {
		decoder := json.NewDecoder(strings.NewReader(e.Route))
		decoder.DisallowUnknownFields()
		var route broker.RouteSpec
		if err := decoder.Decode(&route); err != nil {
			t.Errorf("%s: route: %v", e.Name, err)
			continue
		}
		if plugin := route.Plugin; !abi.ValidName(e.Name) || e.Source == "" && plugin != e.Name || e.Source != "" && plugin != "" {
			t.Errorf("%s: the route's plugin is %q", e.Name, plugin)
		}
		if access, err := json.Marshal(route.Access); err != nil || string(access) != `"public"` {
			t.Errorf("%s: access is %s, %v", e.Name, access, err)
		}
		try, err := url.Parse(e.Try)
		if err != nil || !leadsTo(route.Path, try.Path) {
			t.Errorf("%s: %s does not lead to %s", e.Name, e.Try, route.Path)
		}
		if (e.Subject == "") != (e.Data == "") || e.Data != "" && !json.Valid([]byte(e.Data)) {
			t.Errorf("%s: publishes %q to %q", e.Name, e.Data, e.Subject)
		}
	}
}

func TestExampleSources(t *testing.T) {
	for _, e := range plugins.Examples {
		if e.Source == "" {
			continue
		}
		decoder := json.NewDecoder(strings.NewReader(e.Source))
		decoder.DisallowUnknownFields()
		var c source.Config
		if err := decoder.Decode(&c); err != nil {
			t.Errorf("%s: source: %v", e.Name, err)
			continue
		}
		address, ok := strings.CutPrefix(c.URL, plugins.Feed)
		if c.URL = "http://feed.example" + address; !ok {
			t.Errorf("%s: the source's address is not of %s", e.Name, plugins.Feed)
		}
		if _, err := c.WithDefaults(); err != nil || c.Plugin != e.Name {
			t.Errorf("%s: the source's plugin is %q, %v", e.Name, c.Plugin, err)
		}
	}
}

var secretName = regexp.MustCompile(`{{secret\.([a-z0-9-]+)}}`)

// TestSecretsAndKeysAreThoseThatAreUsed holds the table to the sources of the plugins.
func TestSecretsAndKeysAreThoseThatAreUsed(t *testing.T) {
	for _, e := range plugins.Examples {
		code, err := os.ReadFile(path.Join(e.Name, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		var used []string
		for _, m := range secretName.FindAllStringSubmatch(string(code)+e.Source, -1) {
			used = append(used, m[1])
		}
		if !slices.Equal(used, e.Secrets) {
			t.Errorf("%s: secrets %q, used are %q", e.Name, e.Secrets, used)
		}
		for key, value := range e.Keys {
			if !strings.Contains(string(code), strconv.Quote(key)) || !strings.HasPrefix(value, plugins.Feed) {
				t.Errorf("%s: key %s is %s", e.Name, key, value)
			}
		}
	}
}

// leadsTo tells whether a path is one that a route with :parameters answers.
func leadsTo(pattern, p string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(p, "/")
	return slices.EqualFunc(want, got, func(want, got string) bool {
		return want == got || strings.HasPrefix(want, ":") && got != ""
	})
}
