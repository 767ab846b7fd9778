package wasm_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// specDir is where wazero's module keeps the compiled tests of the WebAssembly specification.
func specDir(tb testing.TB) string {
	tb.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		tb.Skipf("the specification's tests come with the source of wazero: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "internal/integration_test/spectest")
}

// distinctModules are the modules of the specification's tests: all of version 2, and of version 1 those
// that the other does not have, which are few.
func distinctModules(t *testing.T) (paths []string) {
	t.Helper()
	seen := map[[sha256.Size]byte]bool{}
	for _, version := range []string{"v2", "v1"} {
		files, err := filepath.Glob(filepath.Join(specDir(t), version, "testdata/*.wasm"))
		if err != nil || len(files) < 1000 {
			t.Fatalf("%d modules of %s: %v", len(files), version, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(b); !seen[sum] {
				seen[sum] = true
				paths = append(paths, file)
			}
		}
	}
	return paths
}

// specScripts are the scripts with such modules.
func specScripts(t *testing.T) (paths []string) {
	t.Helper()
	modules := distinctModules(t)
	scripts, err := filepath.Glob(filepath.Join(specDir(t), "v[12]/testdata/*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		prefix := strings.TrimSuffix(script, "json")
		if slices.ContainsFunc(modules, func(m string) bool { return strings.HasPrefix(m, prefix) }) {
			paths = append(paths, script)
		}
	}
	return paths
}

// TestSpecification runs the tests of both versions of the specification twice, as they are and
// rewritten, and compares what every command answers.
func TestSpecification(t *testing.T) {
	var total specCount
	for _, script := range specScripts(t) {
		name := strings.TrimSuffix(filepath.Base(script), ".json")
		if testing.Short() && strings.HasPrefix(name, "simd_") {
			continue
		}
		version := filepath.Base(filepath.Dir(filepath.Dir(script)))
		t.Run(version+"/"+name, func(t *testing.T) {
			total.add(runSpec(t, script))
		})
	}
	t.Logf("%+v", total)
	if total.Returns < 20_000 || total.Traps < 1000 || total.Accepted < 1000 || total.Refused < 1000 {
		t.Errorf("too little was compared: %+v", total)
	}
}

// specCount is what was compared.
type specCount struct{ Returns, Traps, Accepted, Refused int }

func (c *specCount) add(d specCount) {
	c.Returns += d.Returns
	c.Traps += d.Traps
	c.Accepted += d.Accepted
	c.Refused += d.Refused
}

type specCommand struct {
	Type, Name, Filename, As, Text string
	Line                           int
	ModuleType                     string `json:"module_type"`
	Action                         struct {
		Type, Field, Module string
		Args                []specValue
	}
}

type specValue struct {
	Type     string
	LaneType string `json:"lane_type"`
	Value    any
}

// specSide runs a script in one of the two ways.
type specSide struct {
	runtime wazero.Runtime
	modules map[string]api.Module
	last    api.Module
	all     []api.Module
	rewrite func([]byte) ([]byte, error)
}

func newSpecSide(t *testing.T, dir string, rewrite func([]byte) ([]byte, error)) *specSide {
	ctx := context.Background()
	s := &specSide{wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler()), map[string]api.Module{}, nil, nil, rewrite}
	t.Cleanup(func() { s.runtime.Close(ctx) })
	lib, err := os.ReadFile(filepath.Join(dir, "../../testdata/spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.runtime.InstantiateWithConfig(ctx, lib, wazero.NewModuleConfig().WithName("spectest")); err != nil {
		t.Fatal(err)
	}
	(&meterHost{grant: math.MaxInt32, left: math.MaxInt}).instantiate(t, s.runtime)
	return s
}

func runSpec(t *testing.T, script string) (n specCount) {
	b, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Commands []specCommand }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(script)
	plain := newSpecSide(t, dir, func(b []byte) ([]byte, error) { return b, nil })
	rewritten := newSpecSide(t, dir, metered)
	for i, c := range file.Commands {
		if c.ModuleType == "text" || c.Type == "register" {
			continue
		}
		if i+1 < len(file.Commands) && file.Commands[i+1].Type == "register" {
			c.As = file.Commands[i+1].As
		}
		var module []byte
		if c.Filename != "" {
			if module, err = os.ReadFile(filepath.Join(dir, c.Filename)); err != nil {
				t.Fatal(err)
			}
		}
		want, got := plain.run(c, module), rewritten.run(c, module)
		if c.Type == "assert_exhaustion" { // the one ends at the end of the stack, the other at a count
			want, got = cutTo(want, "trap"), cutTo(got, "trap")
		}
		if want != got {
			t.Errorf("line %d: %s %s %s: plain %q, rewritten %q", c.Line, c.Type, c.Filename, c.Action.Field, want, got)
		}
		switch {
		case strings.HasPrefix(want, "trap"):
			n.Traps++
		case strings.HasPrefix(want, "return"):
			n.Returns++
		case strings.HasPrefix(want, "refused"):
			n.Refused++
		case strings.HasPrefix(want, "accepted"):
			n.Accepted++
		}
	}
	return n
}

func cutTo(s, prefix string) string {
	if strings.HasPrefix(s, prefix) {
		return prefix
	}
	return s
}

// run runs one command and answers what came of it.
func (s *specSide) run(c specCommand, module []byte) string {
	ctx := context.Background()
	switch c.Type {
	case "action", "assert_return", "assert_trap", "assert_exhaustion":
		return s.act(c)
	}
	b, err := s.rewrite(module)
	var code wazero.CompiledModule
	if err == nil {
		code, err = s.runtime.CompileModule(ctx, b)
	}
	if err != nil {
		return "refused"
	}
	m, err := s.runtime.InstantiateModule(ctx, code, wazero.NewModuleConfig().WithName(c.As).WithStartFunctions())
	if err != nil {
		return "accepted, not started"
	}
	s.all = append(s.all, m)
	if c.Type == "module" {
		s.last = m
		if c.Name != "" {
			s.modules[c.Name] = m
		}
	}
	return "accepted"
}

func (s *specSide) act(c specCommand) string {
	m := s.last
	if c.Action.Module != "" {
		m = s.modules[c.Action.Module]
	}
	if m == nil {
		return "no module"
	}
	if c.Action.Type == "get" {
		g := m.ExportedGlobal(c.Action.Field)
		return fmt.Sprint("return ", norm(g.Type(), g.Get()))
	}
	f := m.ExportedFunction(c.Action.Field)
	if f == nil {
		return "no function"
	}
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.words()...)
	}
	results, err := f.Call(context.Background(), args...)
	if err != nil {
		s.forgive()
		text, _, _ := strings.Cut(err.Error(), "\n")
		return "trap " + text
	}
	answer := "return"
	types := f.Definition().ResultTypes()
	for i := 0; i < len(results); i++ {
		if len(types) == len(results) {
			answer += fmt.Sprint(" ", norm(types[i], results[i]))
		} else {
			answer += fmt.Sprintf(" %x", results[i])
		}
	}
	return answer
}

// forgive sets the depth of all instances to what it was: a trap leaves it where it came.
func (s *specSide) forgive() {
	for _, m := range s.all {
		if g, ok := m.ExportedGlobal(wasm.DepthExport).(api.MutableGlobal); ok {
			g.Set(10_000)
		}
	}
}

// norm makes all not-a-numbers one: which of them it is may differ between two compilations. So may
// the upper half of what has 32 bits.
func norm(t api.ValueType, v uint64) any {
	if t == api.ValueTypeI32 || t == api.ValueTypeF32 {
		v = uint64(uint32(v))
	}
	switch {
	case t == api.ValueTypeF32 && math.IsNaN(float64(math.Float32frombits(uint32(v)))),
		t == api.ValueTypeF64 && math.IsNaN(math.Float64frombits(v)):
		return "nan"
	case t == api.ValueTypeExternref || t == 0x70:
		return v != 0
	}
	return v
}

// words are a value as wazero takes it.
func (v specValue) words() []uint64 {
	if v.Type == "v128" {
		width := map[string]int{"i8": 8, "i16": 16, "i32": 32, "f32": 32, "i64": 64, "f64": 64}[v.LaneType]
		var w [2]uint64
		for i, lane := range v.Value.([]any) {
			at := i * width
			w[at/64] |= number(lane.(string), width) << (at % 64)
		}
		return w[:]
	}
	text, _ := v.Value.(string)
	switch v.Type {
	case "externref":
		if text == "null" {
			return []uint64{0}
		}
		return []uint64{number(text, 64) + 1}
	case "funcref":
		return []uint64{0}
	case "i32", "f32":
		return []uint64{number(text, 32)}
	}
	return []uint64{number(text, 64)}
}

func number(text string, bits int) uint64 {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return uint64(n) & (1<<bits - 1)
	}
	n, _ := strconv.ParseUint(text, 10, 64)
	return n & (1<<bits - 1)
}
