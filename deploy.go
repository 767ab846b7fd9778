package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
)

type deployCommand struct {
	clientFlags
	File      string   `arg:"" help:"A .wasm file, or a folder with Go source, which is built."`
	Name      string   `required:"" placeholder:"NAME" help:"The plugin's and the route's name."`
	Path      string   `placeholder:"PATH" help:"The route's path, such as /quotes/:symbol; /NAME for a new route."`
	Subjects  []string `placeholder:"SUBJECT" help:"The route's subjects, such as quotes.{symbol}."`
	RouteFile string   `type:"existingfile" placeholder:"FILE" help:"The whole route as JSON; --path and --subjects go before it."`
}

// Validate refuses a name before anything is built for it.
func (c *deployCommand) Validate() error {
	if !abi.ValidName(c.Name) {
		return fmt.Errorf("--name %q is no name: 1 to 63 of a-z, 0-9 and -, the first not -", c.Name)
	}
	return nil
}

// Run builds what is to be built, uploads it and says where it is served.
func (c *deployCommand) Run(ctx context.Context, con *console) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	wasm, err := c.load(ctx, con)
	if err != nil {
		return err
	}
	d := deployment{client: client, con: con, name: c.Name}
	var route deployedRoute
	var version int
	if c.Path == "" && len(c.Subjects) == 0 && c.RouteFile == "" {
		route, version, err = d.callback(ctx, wasm)
	} else {
		route, version, err = c.withRoute(ctx, d, wasm)
	}
	if err != nil {
		return err
	}
	con.printf("%s\n", client.url("/t/"+c.Tenant+route.Path))
	con.notef("Plugin %s is at version %d, its route at revision %d.\n", c.Name, version, route.Revision)
	if len(route.Subjects) > 0 {
		con.notef("It takes the events of %s.\n", strings.Join(route.Subjects, ", "))
	}
	return nil
}

// load reads the module, or builds it.
func (c *deployCommand) load(ctx context.Context, con *console) ([]byte, error) {
	info, err := os.Stat(c.File)
	if err != nil {
		return nil, fmt.Errorf("nothing to deploy: %w", err)
	}
	if !info.IsDir() {
		if filepath.Ext(c.File) == ".go" {
			return nil, fmt.Errorf("%s is one file of Go source: name its folder", c.File)
		}
		return os.ReadFile(c.File)
	}
	cache, done, err := buildCache()
	if err != nil {
		return nil, err
	}
	defer done()
	tools, err := findGo(ctx, cache)
	if err != nil {
		return nil, err
	}
	con.notef("Building %s with %s …\n", c.File, tools.version)
	return tools.folder(ctx, c.File)
}

// withRoute uploads the plugin and then makes or changes the route, which names the version that
// was uploaded.
func (c *deployCommand) withRoute(ctx context.Context, d deployment, wasm []byte) (route deployedRoute, version int, err error) {
	spec, err := c.route(ctx, d)
	if err != nil {
		return route, 0, err
	}
	if version, err = d.plugin(ctx, wasm); err != nil {
		return route, 0, err
	}
	spec["plugin"] = fmt.Sprintf("%s@%d", c.Name, version)
	route, err = d.route(ctx, spec)
	return route, version, err
}

// route is the route that is asked for: the file's, else the one in force, else a new one; with the
// path and the subjects of the flags. It stays loose JSON, so that the server names what is wrong
// in it.
func (c *deployCommand) route(ctx context.Context, d deployment) (map[string]any, error) {
	spec := map[string]any{}
	var err error
	if c.RouteFile != "" {
		err = readJSONFile(c.RouteFile, &spec)
	} else {
		err = d.current(ctx, &spec)
	}
	if err != nil {
		return nil, err
	}
	if c.Path != "" {
		spec["path"] = c.Path
	}
	if len(c.Subjects) > 0 {
		spec["subjects"] = c.Subjects
	}
	if spec["path"] == nil {
		spec["path"] = "/" + c.Name
	}
	return spec, nil
}

func readJSONFile(file string, v any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s is not a route in JSON: %w", file, err)
	}
	return nil
}

// deployment is the upload of one plugin and its route, both called name.
type deployment struct {
	client *client
	con    *console
	name   string
}

// deployedRoute is what deploy tells of a route.
type deployedRoute struct {
	Path     string   `json:"path"`
	Subjects []string `json:"subjects"`
	Revision int      `json:"revision"`
}

// callback uploads wasm and points the route at it in one call.
func (d deployment) callback(ctx context.Context, wasm []byte) (deployedRoute, int, error) {
	var answer struct {
		deployedRoute
		Version broker.PluginVersion `json:"version"`
	}
	err := d.client.do(ctx, d.upload(pathOf("routes", d.name, "callback"), wasm), &answer)
	return answer.deployedRoute, answer.Version.Version, err
}

// plugin uploads wasm and returns its version.
func (d deployment) plugin(ctx context.Context, wasm []byte) (int, error) {
	var v broker.PluginVersion
	err := d.client.do(ctx, d.upload(pathOf("plugins", d.name), wasm), &v)
	return v.Version, err
}

func (d deployment) upload(path string, wasm []byte) call {
	size := int64(len(wasm))
	return call{
		method: http.MethodPut, path: path,
		header: map[string]string{"Content-Type": "application/wasm"},
		body:   newProgress(bytes.NewReader(wasm), d.con.err, "Uploading "+d.name, size), size: size,
	}
}

// route makes or changes the route. spec is JSON.
func (d deployment) route(ctx context.Context, spec any) (deployedRoute, error) {
	var route deployedRoute
	err := d.client.do(ctx, call{method: http.MethodPut, path: pathOf("routes", d.name), json: spec}, &route)
	return route, err
}

// current reads the settings of the route that is in force into spec, which it leaves alone if
// there is none.
func (d deployment) current(ctx context.Context, spec *map[string]any) error {
	var route broker.RouteSpec
	err := d.client.do(ctx, call{method: http.MethodGet, path: pathOf("routes", d.name)}, &route)
	if p, ok := errors.AsType[*problem](err); ok && p.Status == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	b, err := json.Marshal(route)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, spec)
}
