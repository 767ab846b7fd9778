package cluster_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/millrace/millrace/broker/cluster"
)

func newKey(t testing.TB) *cluster.Key {
	t.Helper()
	k, err := cluster.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestWhatIsDerivedIsTheSameOnEveryNode(t *testing.T) {
	k, other := newKey(t), newKey(t)
	b, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	copied, err := cluster.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		of     func(*cluster.Key) string
		prefix string
	}{
		{"the name", (*cluster.Key).Name, "millrace-"},
		{"the operator's token", (*cluster.Key).AdminToken, "mr_admin_"},
		{"the secret of the routes", (*cluster.Key).ClusterSecret, ""},
	} {
		got := tt.of(k)
		if !strings.HasPrefix(got, tt.prefix) || len(got) < len(tt.prefix)+8 {
			t.Errorf("%s is %q, want more behind %q", tt.name, got, tt.prefix)
		}
		if again := tt.of(copied); again != got {
			t.Errorf("%s is %q from the copied key, was %q", tt.name, again, got)
		}
		if foreign := tt.of(other); foreign == got {
			t.Errorf("%s is %q for two clusters", tt.name, got)
		}
	}
}

func TestTheOperatorOutlivesTheFile(t *testing.T) {
	k := newKey(t)
	b, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	copied, err := cluster.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := k.Operator().Signing.Sign([]byte("an account"))
	if err != nil {
		t.Fatal(err)
	}
	if err := copied.Operator().Signing.Verify([]byte("an account"), signed); err != nil {
		t.Errorf("what one copy signed, another does not accept: %v", err)
	}
	for name, pair := range map[string][2]interface{ PublicKey() (string, error) }{
		"identity": {k.Operator().Identity, copied.Operator().Identity},
		"system":   {k.Operator().System, copied.Operator().System},
	} {
		before, err1 := pair[0].PublicKey()
		after, err2 := pair[1].PublicKey()
		if before != after || err1 != nil || err2 != nil {
			t.Errorf("%s is %q, %v; was %q, %v", name, after, err2, before, err1)
		}
	}
	if string(copied.Operator().Master) != string(k.Operator().Master) || len(k.Operator().Master) != 32 {
		t.Error("the master secret has changed, or is not 32 bytes")
	}
}

func TestAKeyDoesNotShowItself(t *testing.T) {
	k := newKey(t)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "key", k)
	for _, shown := range []string{log.String(), fmt.Sprintf("%v %+v %#v %s %q", k, k, k, k, k)} {
		if !strings.Contains(shown, k.Name()) {
			t.Errorf("%q does not tell the cluster", shown)
		}
		for _, secret := range []string{k.AdminToken(), k.ClusterSecret(), string(k.Operator().Master), fmt.Sprint(k.Operator().Master)} {
			if strings.Contains(shown, secret) {
				t.Errorf("%q shows a secret", shown)
			}
		}
	}
}
