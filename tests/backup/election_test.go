package backup

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/backup"
	"github.com/millrace/millrace/tests/cluster"
	"github.com/millrace/millrace/tests/program"
)

// TestABackupOutlivesTheOtherNodes: while one node is asked for a backup, each of the others is killed
// and comes back, among them the leader of the history. What was published before is in it, whole.
func TestABackupOutlivesTheOtherNodes(t *testing.T) {
	c := cluster.Start(t, cluster.Config{Nodes: 3})
	put(t, c.Nodes[0], "/v1/tenants/acme", `{}`)
	const events = 100_000
	pad := strings.Repeat("x", 300)
	texts := make([]string, events)
	for i := range texts {
		texts[i] = fmt.Sprint(i+1, pad)
	}
	publish(t, c.Nodes[0], texts...)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program.Binary(), "backup", "--out", "-")
	cmd.Env = append(os.Environ(), "MILLRACE_SERVER="+c.Nodes[0].URL, "MILLRACE_TOKEN="+c.Nodes[0].Token)
	var notes bytes.Buffer
	cmd.Stderr = &notes
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	for _, n := range c.Nodes[1:] {
		if _, err := io.CopyN(&file, out, 8<<20); err != nil {
			t.Fatalf("%v\n%s", err, notes.Bytes())
		}
		n.Kill()
		if _, err := io.CopyN(&file, out, 2<<20); err != nil {
			t.Fatalf("without %s: %v\n%s", n.Name, err, notes.Bytes())
		}
		n.Restart()
		c.AwaitReady()
	}
	if _, err := io.Copy(&file, out); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, notes.Bytes())
	}
	checkEvents(t, file.Bytes(), texts)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	millrace(t, c.Nodes[2], nil, "restore", path, "--tenant", "acme", "--as", "copy")
}

// checkEvents sees that a backup has these events, at sequences from 1 on.
func checkEvents(t *testing.T, file []byte, texts []string) {
	t.Helper()
	r, err := backup.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		p, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(p.Name, backup.HistoryFolder) {
			continue
		}
		err = backup.EachMessage(p, func(m backup.Message) error {
			if n++; n > len(texts) || m.Seq != uint64(n) || string(m.Data) != texts[n-1] {
				return fmt.Errorf("event %d is %.20q at %d", n, m.Data, m.Seq)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n != len(texts) {
		t.Errorf("%d events, not %d", n, len(texts))
	}
}
