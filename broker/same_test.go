package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/cluster"
	"github.com/millrace/millrace/broker/natstest"
)

// Environment of a run of these tests whose brokers use an external NATS.
const (
	natsURLs     = "BROKER_TEST_NATS"
	natsOperator = "BROKER_TEST_NATS_OPERATOR"
	natsSystem   = "BROKER_TEST_NATS_SYSTEM"
	natsDir      = "BROKER_TEST_NATS_DIR"
)

// ofTheNode are tests of what only an embedded server has, such as its files, or that run others themselves.
const ofTheNode = "^(TestCluster.*|TestExternal.*|TestTheSame.*|TestKilled.*|TestADataFolderIsOfOneCluster|TestSecretsAreForTheOwnerAlone|TestNodesAnswerEachOther|TestANodeThatIsAlone.*|TestARestoreThatIsCutOff|TestAHistoryThatCannotBeMadeYet)$"

// TestTheSameOnExternalNATS runs the tests of this package again, on one server of others and on three.
func TestTheSameOnExternalNATS(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	for _, setup := range []natstest.Setup{{}, {Servers: 3, Strict: true}} {
		t.Run(fmt.Sprintf("%d", max(setup.Servers, 1)), func(t *testing.T) {
			t.Parallel()
			s := natstest.Start(t, setup)
			ctx, cancel := context.WithTimeout(t.Context(), 7*time.Minute)
			defer cancel()
			again := exec.CommandContext(ctx, os.Args[0], "-test.skip="+ofTheNode)
			again.Env = append(os.Environ(), natsURLs+"="+strings.Join(s.URLs, ","),
				natsOperator+"="+s.SigningKey, natsSystem+"="+s.Credentials, natsDir+"="+s.Dir)
			if out, err := again.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// givenNATS is the external NATS that this run is to use, nil for none. A data folder has its own key.
func givenNATS(t testing.TB, dir string) *broker.NATS {
	t.Helper()
	urls := os.Getenv(natsURLs)
	if urls == "" {
		return nil
	}
	key, err := cluster.ReadFile(dir + ".key")
	if errors.Is(err, fs.ErrNotExist) {
		key = newClusterKey(t)
		err = key.WriteFile(dir + ".key")
	}
	if err != nil {
		t.Fatal(err)
	}
	return &broker.NATS{URLs: strings.Split(urls, ","), Key: key, Operator: os.Getenv(natsOperator), System: os.Getenv(natsSystem)}
}

// storedIn is where a broker with a data folder stores its events.
func storedIn(dir string) string {
	if external := os.Getenv(natsDir); external != "" {
		return external
	}
	return dir
}

func newClusterKey(t testing.TB) *cluster.Key {
	t.Helper()
	key, err := cluster.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
