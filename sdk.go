package main

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// sdkFiles are the sources that plugins in Go are built against, and those of the examples, so that
// the binary can build plugins wherever it runs.
//
//go:embed abi plugins
var sdkFiles embed.FS

// sdkModule is the go.mod of the extracted sources: the SDK needs nothing beyond Go itself.
const sdkModule = "module github.com/millrace/millrace\n\ngo 1.26.0\n"

// walkSDK calls visit for each embedded file that a build of plugins needs, in order of path. Tests
// and what only they use stay behind.
func walkSDK(visit func(name string, content []byte) error) error {
	return fs.WalkDir(sdkFiles, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "testdata" && strings.HasPrefix(name, "abi/"):
			return fs.SkipDir
		case entry.IsDir() || strings.HasSuffix(name, "_test.go") || path.Ext(name) == ".md":
			return nil
		}
		content, err := sdkFiles.ReadFile(name)
		if err != nil {
			return err
		}
		return visit(name, content)
	})
}

// sdkDigest tells one set of embedded sources from another.
func sdkDigest() (string, error) {
	sum := sha256.New()
	err := walkSDK(func(name string, content []byte) error {
		fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
		return nil
	})
	fmt.Fprint(sum, sdkModule)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// extractSDK makes dir a Go module with the embedded sources. It is there whole or not at all, and
// several processes may extract it at once.
func extractSDK(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	half, err := os.MkdirTemp(filepath.Dir(dir), "half-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(half) // nothing is there any more if all went well
	err = walkSDK(func(name string, content []byte) error {
		return writeUnder(half, name, content)
	})
	if err != nil {
		return err
	}
	if err := writeUnder(half, "go.mod", []byte(sdkModule)); err != nil {
		return err
	}
	err = os.Rename(half, dir)
	if _, there := os.Stat(dir); there == nil {
		return nil // ours, or another process was first with the same content
	}
	return err
}

func writeUnder(dir, name string, content []byte) error {
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}
