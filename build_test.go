package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tools is the real toolchain with a cache of the test's own.
func tools(t *testing.T) *toolchain {
	t.Helper()
	tools, err := findGo(t.Context(), filepath.Join(t.TempDir(), "cache"))
	if errors.Is(err, errNoGo) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tools
}

// folderOf writes files, by name below a new folder, and returns that folder.
func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := writeUnder(dir, name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const helloSource = `package main

import "github.com/millrace/millrace/abi/guest"

//go:wasmexport onStream
func onStream() int32 {
	return guest.OnStream(func(e *guest.Emitter) error { return e.Send("hello") })
}

func main() {}
`

func TestOneFileIsAPlugin(t *testing.T) {
	dir := folderOf(t, map[string]string{"main.go": helloSource})
	wasm, err := tools(t).folder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	isModuleWith(t, wasm, "onStream", "millrace_v1")
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("the author's folder holds %v, %v; want main.go only", left, err)
	}
}

// isModuleWith checks that wasm is a module that has the names, among its imports or exports.
func isModuleWith(t *testing.T, wasm []byte, names ...string) {
	t.Helper()
	if !bytes.HasPrefix(wasm, []byte("\x00asm\x01\x00\x00\x00")) {
		t.Fatalf("%d bytes are no module", len(wasm))
	}
	for _, name := range names {
		if !bytes.Contains(wasm, append([]byte{byte(len(name))}, name...)) {
			t.Errorf("module does not name %s", name)
		}
	}
}

func TestAModuleThatKnowsTheSDKIsBuiltAsItStands(t *testing.T) {
	tools := tools(t)
	dir := folderOf(t, map[string]string{
		"go.mod": "module example.com/app\n\ngo 1.26.0\n\nrequire github.com/millrace/millrace v0.0.0\n\n" +
			"replace github.com/millrace/millrace => " + tools.sdk() + "\n",
		"words/words.go":       "package words\n\nconst Hello = \"hello\"\n",
		"plugin/main.go":       strings.NewReplacer(`"hello"`, "words.Hello", "import ", "import \"example.com/app/words\"\nimport ").Replace(helloSource),
		"plugin/main_other.go": "//go:build !wasip1\n\npackage main\n\nvar _ = notForPlugins\n",
	})
	wasm, err := tools.folder(t.Context(), filepath.Join(dir, "plugin"))
	if err != nil {
		t.Fatal(err)
	}
	isModuleWith(t, wasm, "onStream", "millrace_v1")
}

func TestWhatDoesNotBuildIsToldAsTheCompilerTellsIt(t *testing.T) {
	tools := tools(t)
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"a mistake in the source", map[string]string{"main.go": strings.ReplaceAll(helloSource, "e.Send", "e.Sned")}, "./main.go:7:"},
		{"an import that is not there", map[string]string{"main.go": strings.ReplaceAll(helloSource, "abi/guest", "abi/gust")}, "abi/gust"},
		{"a folder without source", map[string]string{"README.md": "hello"}, "holds no Go source"},
		{"a package that is no program", map[string]string{"x.go": "package x\n"}, "main"},
	} {
		_, err := tools.folder(t.Context(), folderOf(t, tt.files))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
	}
}

func TestExamplesAreBuiltOnce(t *testing.T) {
	tools := tools(t)
	first, err := tools.example(t.Context(), "basic")
	if err != nil {
		t.Fatal(err)
	}
	isModuleWith(t, first, "onStream")
	kept := filepath.Join(tools.dir, "basic.wasm")
	if err := os.WriteFile(kept, []byte("what is kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if second, err := tools.example(t.Context(), "basic"); err != nil || string(second) != "what is kept" {
		t.Errorf("it was built again: %d bytes, %v", len(second), err)
	}
	if _, err := tools.example(t.Context(), "none"); err == nil {
		t.Error("an example that is not there is built")
	}
}

func TestWithoutGoItSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := findGo(t.Context(), t.TempDir()); !errors.Is(err, errNoGo) {
		t.Errorf("findGo = %v, want errNoGo", err)
	}
}
