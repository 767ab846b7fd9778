// Package readme runs the README's commands as they are written.
package readme

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/source/sourcetest"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

func TestFiveMinutes(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## Five minutes to a live callback\n")
	section, _, _ = strings.Cut(section, "\n## How it works\n")
	blocks := shellBlock.FindAllStringSubmatch(section, -1)
	if len(blocks) < 6 {
		t.Fatalf("the sections have %d shell blocks, want what makes five minutes, a source and a benchmark", len(blocks))
	}
	script := "set -euo pipefail\n"
	for _, b := range blocks {
		script += b[1]
	}
	script += "kill $(jobs -p)\nwait || true\n"

	// As written, but for the folder that the binary is built in, a port that is free, and a remote
	// that is on this machine.
	dir := t.TempDir()
	build := fmt.Sprintf("(cd '%s' && GOFLAGS= go build -o '%s/millrace' .)", root, dir)
	if !strings.Contains(script, "go build -o millrace .\n") {
		t.Fatal("the section does not build millrace")
	}
	script = strings.Replace(script, "go build -o millrace .", build, 1)
	script = strings.ReplaceAll(script, "127.0.0.1:8080", freeAddress(t))
	own := ownLoopback()
	script = strings.NewReplacer("127.0.0.1:808", own+":808", "127.0.0.1:628", own+":628").Replace(script)
	remote := sourcetest.NewServer(sourcetest.New(nil))
	defer remote.Close()
	script = strings.ReplaceAll(script, "https://stream.wikimedia.org", remote.URL)
	script = strings.ReplaceAll(script, "stream.wikimedia.org", "127.0.0.1")

	out := run(t, dir, script)
	for _, want := range []string{
		"event: quote\ndata: UP TWO PERCENT\n", "event: quote\ndata: DOWN AGAIN\n", `"revision":3`, "/t/acme/loud/:symbol",
		"\nthree copies of this\nn3 is gone\n", `"title":"Wasserrad"`, "source ", remote.URL, "lost           0\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing printed %q", want)
		}
	}
	if strings.Contains(out, "data: BORING") {
		t.Error("what the callback drops was streamed")
	}
	if t.Failed() {
		t.Log(out)
	}
}

// ownLoopback is a loopback address that hardly anybody else uses, so that its ports are free. Only
// Linux has more than one.
func ownLoopback() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	return fmt.Sprintf("127.%d.%d.%d", 64+rand.N(128), rand.N(256), 1+rand.N(254))
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run runs a script with bash and returns what it printed. Whatever it started ends with it.
func run(t *testing.T, dir, script string) string {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the README's commands need %s: install Debian's package %s", tool, tool)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(script)
	cmd := exec.CommandContext(ctx, "bash", "-m")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"+script)
	cmd.Env = append(os.Environ(), "MILLRACE_LISTEN="+address, "MILLRACE_SERVER=http://"+address, "MILLRACE_ALLOW_PRIVATE_OUTBOUND=true")
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}
