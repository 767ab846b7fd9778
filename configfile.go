package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// configFile is read from the folder that the program runs in, if it is there and none is named.
const configFile = "millrace.yaml"

// fileValues are the flags that a YAML file sets, by name. The command line and the environment go
// before them.
type fileValues map[string]any

// readConfigFile is kong's loader of configuration files.
func readConfigFile(r io.Reader) (kong.Resolver, error) {
	values := fileValues{}
	if err := yaml.NewDecoder(r).Decode(&values); err != nil && err != io.EOF {
		return nil, fmt.Errorf("not a YAML document of flags: %w", err)
	}
	return values, nil
}

// Validate refuses names that are no flag of any command, so that a misspelt one is not passed over.
func (v fileValues) Validate(app *kong.Application) error {
	known := map[string]bool{}
	err := kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if !known[name] {
			return fmt.Errorf("configuration file: %s is no flag", name)
		}
	}
	return nil
}

// Resolve gives a flag's value, nil if the file has none or the environment has one.
func (v fileValues) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	switch value := v[flag.Name].(type) {
	case nil:
		return nil, nil
	case []any:
		words := make([]string, len(value))
		for i := range value {
			words[i] = fmt.Sprint(value[i])
		}
		return strings.Join(words, ","), nil
	default:
		return fmt.Sprint(value), nil
	}
}
