package faults

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/cluster"
	"github.com/millrace/millrace/tests/program"
)

var older = flag.String("older", "", "commit that TestARollingUpgrade begins with; default the newest tag, else the first commit that knew clusters")

// TestARollingUpgrade runs an older build, and puts the present one in its place node by node. In a
// checkout without the older commits, the older build is of the oldest that is there.
func TestARollingUpgrade(t *testing.T) {
	beside(t)
	was := buildOlder(t)
	underFaults(t, cluster.Config{Binary: was}, func(ctx context.Context, c *cluster.Cluster) error {
		for _, n := range c.Nodes {
			t.Logf("%s: node %s is upgraded", clock(time.Now()), n.Name)
			n.Stop()
			n.Upgrade(program.Binary())
			c.AwaitReady()
		}
		return ctx.Err()
	})
}

// buildOlder builds the older commit, and returns the binary's path.
func buildOlder(t *testing.T) string {
	t.Helper()
	root := filepath.Dir(output(t, ".", "go", "env", "GOMOD"))
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Skip("run in a checkout, which has the commits to upgrade from")
	}
	ref := *older
	if ref == "" {
		ref = output(t, root, "git", "tag", "--sort=-creatordate", "--merged", "HEAD")
		ref, _, _ = strings.Cut(ref, "\n")
	}
	if ref == "" {
		commits := strings.Fields(output(t, root, "git", "log", "--format=%h", "--", "cluster.go"))
		ref = commits[len(commits)-1]
	}
	t.Logf("the older build is of %s", output(t, root, "git", "log", "-1", "--format=%h, %s", ref))
	tree := t.TempDir()
	binary := filepath.Join(tree, "older")
	output(t, root, "git", "archive", "--format=tar", "--output="+filepath.Join(tree, "tree.tar"), ref)
	output(t, tree, "tar", "-xf", "tree.tar")
	output(t, tree, "go", "build", "-buildvcs=false", "-o", binary, ".")
	return binary
}

// output is what a command prints, without the line's end.
func output(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return strings.TrimSpace(string(out))
}
