package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCommand struct{}

// Run prints the version, the commit it was built from and Go's version.
func (versionCommand) Run(c *console) error {
	v, commit := version()
	if commit != "" {
		commit = ", commit " + commit
	}
	c.printf("millrace %s (%s %s/%s%s)\n", v, runtime.Version(), runtime.GOOS, runtime.GOARCH, commit)
	return nil
}

// version returns what the go command stamped into the binary: the module's version, or devel, and
// the commit, empty if it was built outside of a checkout.
func version() (version, commit string) {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		version = "devel"
	} else {
		version = info.Main.Version
	}
	if !ok {
		return version, ""
	}
	modified := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if commit != "" && modified {
		commit = fmt.Sprintf("%s with changes", commit)
	}
	return version, commit
}
