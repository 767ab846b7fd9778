package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// node is the embedded NATS server.
type node struct {
	server   *server.Server
	resolver *server.DirAccResolver
	op       *operator
	log      *slog.Logger
	keeps    bool // data
}

// startNode starts the server and waits until it takes connections.
func startNode(c Config, op *operator) (_ *node, err error) {
	n := &node{log: c.Logger, op: op, keeps: !c.edge()}
	n.resolver, err = server.NewDirAccResolver(filepath.Join(c.Dir, "accounts"), 0, time.Minute, server.HardDelete)
	if err != nil {
		return nil, fmt.Errorf("account folder: %w", err)
	}
	defer func() {
		if err != nil {
			n.stop()
		}
	}()
	system, err := op.systemAccount()
	if err != nil {
		return nil, err
	}
	app, err := op.appAccount()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(n.store(system), n.store(app)); err != nil {
		return nil, err
	}
	options, err := n.options(c, op, system.id)
	if err != nil {
		return nil, fmt.Errorf("embedded server: %w", err)
	}
	if n.server, err = server.NewServer(options); err != nil {
		return nil, fmt.Errorf("embedded server: %w", err)
	}
	n.server.SetLoggerV2(serverLog{c.Logger}, false, false, false)
	n.server.Start()
	if !n.server.ReadyForConnections(30 * time.Second) {
		return nil, errors.New("embedded server: not ready after 30 s")
	}
	return n, nil
}

// store puts an account where the server looks for it.
func (n *node) store(a *account) error {
	token, err := a.claims.Encode(n.op.signing)
	if err == nil {
		err = n.resolver.Store(a.id, token)
	}
	if err != nil {
		return fmt.Errorf("store account %s: %w", a.claims.Name, err)
	}
	return nil
}

func (n *node) options(c Config, op *operator, system string) (*server.Options, error) {
	o := &server.Options{
		ServerName:       c.Node,
		DontListen:       true, // clients are in process
		NoSigs:           true,
		TrustedOperators: []*jwt.OperatorClaims{op.claims},
		SystemAccount:    system,
		AccountResolver:  n.resolver,
		MaxPayload:       int32(c.maxPayload()),
		JetStream:        !c.edge(),
		StoreDir:         c.Dir,
		// Streams reserve their MaxBytes. Most never use it, so no sum of reservations may refuse a
		// tenant: the real disk is the limit, and each stream has its own.
		JetStreamMaxStore:      math.MaxInt64 / 2,
		JetStreamMaxMemory:     256 << 20,
		SyncAlways:             c.Fsync,
		DisableJetStreamBanner: true,
	}
	if c.Cluster == nil {
		return o, nil
	}
	return o, c.Cluster.options(o)
}

// waitCurrent waits until storage has a leader, and this node knows what the others do. At first that
// takes most of the nodes, and five to ten seconds.
func (n *node) waitCurrent(ctx context.Context, _ *nats.Conn) error {
	const each = 50 * time.Millisecond
	tick := time.NewTicker(each)
	defer tick.Stop()
	for waited := time.Duration(0); !n.current(); waited += each {
		if waited%(10*time.Second) == 0 && waited > 0 {
			n.log.Warn("storage waits for the other nodes", "connected", n.server.NumRoutes() > 0)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// current tells whether this node knows what the others do. One that keeps no data asks them.
func (n *node) current() bool {
	if !n.server.JetStreamEnabled() {
		return n.server.NumRoutes() > 0
	}
	return n.server.JetStreamIsCurrent()
}

// system logs in to the system account.
func (n *node) system() (*nats.Conn, error) {
	a, err := n.op.systemAccount()
	if err != nil {
		return nil, err
	}
	return n.connect(a)
}

// off is ErrUnavailable for a node that keeps data and whose storage has switched itself off, as it does
// when the disk is full.
func (n *node) off() error {
	if n.keeps && !n.server.JetStreamEnabled() {
		return fmt.Errorf("%w: it has switched itself off", ErrUnavailable)
	}
	return nil
}

// leadsAll tells whether this node leads the group of all nodes that keep data. One that is alone does.
func (n *node) leadsAll() bool {
	return n.server.JetStreamIsLeader() || n.server.JetStreamEnabled() && !n.server.JetStreamIsClustered()
}

// app is connect: the server is there.
func (n *node) app(_ context.Context, a *account) (*nats.Conn, error) { return n.connect(a) }

// connect logs in to an account in process. The account must be known to the server.
func (n *node) connect(a *account) (*nats.Conn, error) {
	name := a.claims.Name
	auth, err := login(a)
	if err != nil {
		return nil, fmt.Errorf("login to %s: %w", name, err)
	}
	nc, err := nats.Connect("", auth, nats.InProcessServer(n.server), nats.Name("millrace "+name),
		nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.Timeout(5*time.Second),
		nats.SyncQueueLen(liveQueue), nats.ErrorHandler(func(nc *nats.Conn, _ *nats.Subscription, err error) { logConnError(n.log, nc, err) }))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", name, err)
	}
	return nc, nil
}

func logConnError(log *slog.Logger, nc *nats.Conn, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) {
		return // the hub sees the gap and fills it
	}
	log.Warn("NATS connection", "name", nc.Opts.Name, "error", err)
}

// stop ends the server and waits for it.
func (n *node) stop() {
	if n.server != nil {
		n.server.Shutdown()
		n.server.WaitForShutdown()
	}
	n.resolver.Close()
}

// serverLog hands the embedded server's log to ours. What a server notes in its daily life is for
// debugging here.
type serverLog struct{ log *slog.Logger }

func (l serverLog) print(level slog.Level, format string, args []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "NATS", "text", fmt.Sprintf(format, args...))
	}
}

func (l serverLog) Noticef(format string, args ...any) { l.print(slog.LevelDebug, format, args) }
func (l serverLog) Warnf(format string, args ...any)   { l.print(slog.LevelWarn, format, args) }
func (l serverLog) Fatalf(format string, args ...any)  { l.print(slog.LevelError, format, args) }
func (l serverLog) Errorf(format string, args ...any)  { l.print(slog.LevelError, format, args) }
func (l serverLog) Debugf(format string, args ...any)  { l.print(slog.LevelDebug, format, args) }
func (l serverLog) Tracef(format string, args ...any)  { l.print(slog.LevelDebug, format, args) }
