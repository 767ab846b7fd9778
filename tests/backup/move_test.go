// Package backup tests what docs/operations.md tells to do with backups, with real processes.
package backup

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/tests/cluster"
	"github.com/millrace/millrace/tests/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// millrace runs a command against a node and returns what it printed.
func millrace(t *testing.T, n *cluster.Node, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program.Binary(), args...)
	cmd.Env = append(os.Environ(), "MILLRACE_SERVER="+n.URL, "MILLRACE_TOKEN="+n.Token)
	cmd.Dir = t.TempDir()
	var out, notes bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &notes
	if err := cmd.Run(); err != nil {
		t.Fatalf("millrace %s: %v\n%s", strings.Join(args, " "), err, notes.Bytes())
	}
	t.Logf("millrace %s\n%s", strings.Join(args, " "), notes.Bytes())
	return out.Bytes()
}

func put(t *testing.T, n *cluster.Node, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, n.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+n.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		b, _ := io.ReadAll(resp.Body) // whatever there is
		t.Fatalf("PUT %s: %s: %s", path, resp.Status, b)
	}
}

// publish publishes texts and returns the ids.
func publish(t *testing.T, n *cluster.Node, texts ...string) []string {
	t.Helper()
	var lines bytes.Buffer
	for _, text := range texts {
		fmt.Fprintf(&lines, "{\"subject\": \"news\", \"data\": %q}\n", text)
	}
	return strings.Fields(string(millrace(t, n, lines.Bytes(), "publish", "--tenant", "acme", "--ndjson")))
}

// viewer opens the public stream of a node after an id, as an EventSource does that comes back.
func viewer(t *testing.T, n *cluster.Node, id string) *sse.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL+"/t/acme/news", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", id)
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("stream of %s: %s", n.Name, resp.Status)
	}
	return sse.NewReader(resp.Body, 0)
}

func wants(t *testing.T, n *cluster.Node, stream *sse.Reader, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if e, err := stream.Next(); err != nil || e.Data != text {
			t.Fatalf("node %s brings %q (%s), %v, and not %q", n.Name, e.Data, e.Name, err, text)
		}
	}
}

func numbered(from, to int) (texts []string) {
	for i := from; i <= to; i++ {
		texts = append(texts, fmt.Sprint("event ", i))
	}
	return texts
}

// TestFromOneNodeToThree is the way from a node that is alone to a cluster. Viewers of the one go on at
// each of the three, exactly; those who have seen what came after the backup are told so.
func TestFromOneNodeToThree(t *testing.T) {
	old := cluster.Start(t, cluster.Config{}).Nodes[0]
	put(t, old, "/v1/tenants/acme", `{"hosts": ["acme.example.com"]}`)
	put(t, old, "/v1/tenants/beta", `{}`)
	put(t, old, "/v1/tenants/acme/routes/news", `{"path": "/news", "subjects": ["news"], "access": "public"}`)
	token := strings.TrimSpace(string(millrace(t, old, nil, "token", "create", "--tenant", "acme", "--scopes", "publish", "app")))
	millrace(t, old, []byte("value"), "secret", "put", "--tenant", "acme", "key")
	ids := publish(t, old, numbered(1, 2000)...)

	dir := t.TempDir()
	key, file := filepath.Join(dir, "key"), filepath.Join(dir, "all.backup")
	if err := os.WriteFile(key, bytes.Repeat([]byte("0123456789abcdef"), 3), 0o600); err != nil {
		t.Fatal(err)
	}
	millrace(t, old, nil, "backup", "--out", file, "--key-file", key)
	late := publish(t, old, "after the backup")
	if status := old.Stop(); status != 0 {
		t.Errorf("the old node ended with %d", status)
	}

	three := cluster.Start(t, cluster.Config{Nodes: 3})
	millrace(t, three.Nodes[1], nil, "restore", "--check", file)
	millrace(t, three.Nodes[1], nil, "restore", file, "--key-file", key)
	var streams []*sse.Reader
	for _, n := range three.Nodes {
		stream := viewer(t, n, ids[989])
		wants(t, n, stream, numbered(991, 2000)...)
		streams = append(streams, stream)
		ahead := viewer(t, n, late[0])
		if e, err := ahead.Next(); err != nil || e.Name != "reset" {
			t.Errorf("node %s says %q to who is ahead of the backup, %v", n.Name, e.Name, err)
		}
	}
	inCluster := *three.Nodes[2]
	inCluster.Token = token // which is good as it was
	new := publish(t, &inCluster, "of the three")
	if new[0] == late[0] {
		t.Errorf("the id %s is given again", new[0])
	}
	for i, stream := range streams {
		wants(t, three.Nodes[i], stream, "of the three")
	}
	// Three copies: any node may go. That of beta is there, too.
	three.Nodes[1].Kill()
	wants(t, three.Nodes[0], viewer(t, three.Nodes[0], ids[1998]), "event 2000", "of the three")
	if got := string(millrace(t, three.Nodes[2], nil, "secret", "list", "--tenant", "acme")); !strings.Contains(got, "key") {
		t.Errorf("secrets are %q", got)
	}
	millrace(t, three.Nodes[2], nil, "source", "list", "--tenant", "beta")
}
