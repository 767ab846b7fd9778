package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/millrace/millrace/broker"
)

func TestASecretIsReadFromStandardInput(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
		status         int
	}{
		{"as it is", "s3cret", "s3cret", exitOK},
		{"without the line break of an echo", "s3cret\n", "s3cret", exitOK},
		{"nor that of Windows", "s3cret\r\n", "s3cret", exitOK},
		{"with the line breaks inside of it", "a\nb\n\n", "a\nb\n", exitOK},
		{"unless it is empty", "\n", "", exitFailed},
		{"or too long", strings.Repeat("x", broker.MaxSecretBytes+1), "", exitFailed},
		{"but as long as may be", strings.Repeat("x", broker.MaxSecretBytes) + "\r\n", strings.Repeat("x", broker.MaxSecretBytes), exitOK},
	} {
		rec := record(t, "")
		var out, err bytes.Buffer
		args := []string{"secret", "put", "key", "--tenant", "acme", "--server", rec.url}
		status := run(t.Context(), args, &console{in: strings.NewReader(tt.in), out: &out, err: &err})
		if status != tt.status || rec.body != tt.want {
			t.Errorf("%s: status %d, sent %.20q\n%s", tt.name, status, rec.body, err.String())
		}
		if status == exitOK && (rec.method != http.MethodPut || rec.path != "/v1/tenants/acme/secrets/key") {
			t.Errorf("%s: %s %s", tt.name, rec.method, rec.path)
		}
		if strings.Contains(out.String()+err.String(), "s3cret") {
			t.Errorf("%s: the secret is shown", tt.name)
		}
	}
}

func TestASecretIsNoArgument(t *testing.T) {
	if status, _, _ := try(t, "secret", "put", "key", "s3cret", "--tenant", "acme"); status != exitUsage {
		t.Errorf("status %d, want a usage error", status)
	}
}
