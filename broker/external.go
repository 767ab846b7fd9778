package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/millrace/millrace/broker/cluster"
)

// NATS is a NATS cluster with JetStream, of others, that keeps everything in place of the embedded
// server. It runs in operator mode with a full resolver that deletes; which else of its settings
// matter, Run says at its start. Any number of nodes may use it, also one or two.
type NATS struct {
	URLs     []string     // nats:// or tls://, of servers of one cluster
	Key      *cluster.Key // the same on every node: accounts' keys are derived from it
	Operator string       // file with the seed of one of the operator's signing keys
	System   string       // credentials file of a user of the system account, read at each login
	CA       string       // file of authorities, in PEM, that the servers' certificates are of; default the system's
	Edge     bool         // the node holds no keys: it serves what the others have
}

func (n *NATS) check() (err error) {
	if n == nil {
		return nil
	}
	if n.Key == nil {
		err = errors.New("external NATS: no key")
	}
	if n.Operator == "" || n.System == "" {
		err = errors.Join(err, errors.New("external NATS: it takes a signing key of its operator, and credentials of its system account"))
	}
	if len(n.URLs) == 0 {
		err = errors.Join(err, errors.New("external NATS: no URL"))
	}
	for _, text := range n.URLs {
		u, wrong := url.Parse(text)
		switch {
		case wrong != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls":
			err = errors.Join(err, fmt.Errorf("external NATS: URL is not nats://host:port, nor tls://host:port"))
		case u.User != nil:
			err = errors.Join(err, fmt.Errorf("external NATS: URL of %s has a user: who logs in is in the credentials file", u.Host))
		}
	}
	return err
}

// operator returns what signs accounts there. It has no identity and no key of the system account:
// those are with whoever owns that NATS.
func (n *NATS) operator() (*operator, error) {
	b, err := os.ReadFile(n.Operator)
	if err != nil {
		return nil, fmt.Errorf("operator's signing key: %w", err)
	}
	defer clear(b)
	key, err := nkeys.ParseDecoratedNKey(b)
	if err != nil || !strings.HasPrefix(publicKey(key), "O") {
		return nil, fmt.Errorf("operator's signing key: %s has no seed of an operator's key, which begins with SO", n.Operator)
	}
	return &operator{signing: key, master: n.Key.Operator().Master}, nil
}

// publicKey is that of a pair, or "" if it has none.
func publicKey(key nkeys.KeyPair) string {
	public, err := key.PublicKey()
	if err != nil {
		return ""
	}
	return public
}

// How a connection to another machine is kept. A silent one is given up after three times pingEvery.
const (
	dialTimeout  = 5 * time.Second
	pingEvery    = 5 * time.Second
	maxReconnect = 2 * time.Second
)

// servers is NATS as the broker needs it: the embedded server, or those of others.
type servers interface {
	system() (*nats.Conn, error)                             // logs in to the system account
	app(ctx context.Context, a *account) (*nats.Conn, error) // logs in to the account of the registry
	connect(a *account) (*nats.Conn, error)                  // logs in to one that the servers know
	waitCurrent(ctx context.Context, app *nats.Conn) error   // returns once they store
	handOver(system *nats.Conn)
	stop()
}

// openServers starts the embedded server, or logs in to external ones.
func (b *Broker) openServers(ctx context.Context) (err error) {
	if b.config.NATS == nil {
		b.node, err = startNode(b.config, b.operator)
		b.servers = b.node
		return err
	}
	b.servers, b.config.copies, err = openExternal(ctx, b.config, b.operator)
	return err
}

// external is NATS servers of others.
type external struct {
	nats *NATS
	op   *operator
	log  *slog.Logger
	root *nats.Conn // as a user of the system account
}

// openExternal logs in to the servers, waiting for them without end, and checks that they are what is
// needed. The number of copies that they can keep is in copies.
func openExternal(ctx context.Context, c Config, op *operator) (_ *external, copies int, err error) {
	x := &external{nats: c.NATS, op: op, log: c.Logger}
	if err := x.loginAsSystem(ctx); err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			x.root.Close()
		}
	}()
	servers, err := x.survey(ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := servers.check(op, c.maxPayload()); err != nil {
		return nil, 0, fmt.Errorf("external NATS: %w", err)
	}
	op.strict = servers.strict()
	if err := x.checkResolver(ctx); err != nil {
		return nil, 0, fmt.Errorf("external NATS: %w", err)
	}
	app, err := op.appAccount()
	if err != nil {
		return nil, 0, err
	}
	if err := retry(ctx, func(ctx context.Context) error { return pushAccount(ctx, x.root, op, app) }); err != nil {
		return nil, 0, fmt.Errorf("external NATS: %w", err)
	}
	if servers.size == 2 {
		x.log.Warn("NATS has two servers, of which neither goes on alone; there is one copy of everything")
	}
	return x, servers.copies(), nil
}

// login connects as soon as there is a server. What does not pass by itself is an error.
func (x *external) login(ctx context.Context, dial func() (*nats.Conn, error)) (*nats.Conn, error) {
	for patience := x.newPatience("NATS is not reached"); ; {
		nc, err := dial()
		if err == nil || refused(err) {
			return nc, err
		}
		if err := patience.wait(ctx, err); err != nil {
			return nil, err
		}
	}
}

func (x *external) loginAsSystem(ctx context.Context) (err error) {
	x.root, err = x.login(ctx, func() (*nats.Conn, error) {
		return x.dial("system", nats.UserCredentials(x.nats.System),
			nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
				if err != nil {
					x.log.Warn("NATS is away", "error", err)
				}
			}),
			nats.ReconnectHandler(func(nc *nats.Conn) { x.log.Info("NATS is back", "server", nc.ConnectedServerName()) }))
	})
	if err != nil {
		return fmt.Errorf("external NATS: login with %s: %w", x.nats.System, err)
	}
	return nil
}

// refused tells whether a login failed for a reason that does not pass by itself.
func refused(err error) bool {
	var certificate *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var file *os.PathError
	for _, target := range []error{
		nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
		nats.ErrSecureConnRequired, nats.ErrSecureConnWanted, nats.ErrNoUserCB, nats.ErrNkeysNotSupported,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return errors.As(err, &certificate) || errors.As(err, &header) || errors.As(err, &file)
}

// system returns the connection of openExternal, which it leaves to the caller.
func (x *external) system() (*nats.Conn, error) { return x.root, nil }

// app logs in to an account that every start needs.
func (x *external) app(ctx context.Context, a *account) (*nats.Conn, error) {
	return x.login(ctx, func() (*nats.Conn, error) { return x.connect(a) })
}

// connect logs in to an account that was pushed. Should the servers have lost it when they come back,
// it is pushed again.
func (x *external) connect(a *account) (*nats.Conn, error) {
	auth, err := login(a)
	if err != nil {
		return nil, fmt.Errorf("login to %s: %w", a.claims.Name, err)
	}
	var since time.Time // of the first refusal; the handlers run one after the other
	return x.dial(a.claims.Name, auth,
		nats.ReconnectHandler(func(*nats.Conn) { since = time.Time{} }),
		nats.ErrorHandler(func(nc *nats.Conn, _ *nats.Subscription, err error) {
			switch {
			case !errors.Is(err, nats.ErrAuthorization):
				logConnError(x.log, nc, err)
			case since.IsZero():
				since = time.Now()
			case time.Since(since) > forgotten:
				since = time.Time{}
				x.pushAgain(a)
			}
		}))
}

// forgotten is how long servers may refuse an account before it is pushed again. They refuse one that
// was deleted, too, but by then its connection is closed.
const forgotten = 3 * time.Second

func (x *external) pushAgain(a *account) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	if err := pushAccount(ctx, x.root, x.op, a); err != nil {
		x.log.Warn("NATS does not know an account", "name", a.claims.Name, "error", err)
		return
	}
	x.log.Info("NATS did not know an account, which was pushed again", "name", a.claims.Name)
}

// dial connects, and again whenever the connection is lost, to whichever server is there. What is
// published meanwhile fails at once: the caller decides whether to send it again, with the same id.
func (x *external) dial(name string, options ...nats.Option) (*nats.Conn, error) {
	options = append([]nats.Option{nats.Name("millrace " + name), nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1), nats.CustomReconnectDelay(reconnectDelay), nats.IgnoreAuthErrorAbort(), nats.ReconnectBufSize(-1),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(2), nats.SyncQueueLen(liveQueue),
		nats.ErrorHandler(func(nc *nats.Conn, _ *nats.Subscription, err error) { logConnError(x.log, nc, err) }),
	}, options...)
	if x.nats.CA != "" {
		options = append(options, nats.RootCAs(x.nats.CA))
	}
	nc, err := nats.Connect(strings.Join(x.nats.URLs, ","), options...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", name, err)
	}
	return nc, nil
}

// reconnectDelay is how long to wait after all servers were tried: longer each time, and differently
// for each connection, of which there is one for each active tenant.
func reconnectDelay(attempts int) time.Duration {
	limit := min(50*time.Millisecond<<min(attempts, 10), maxReconnect)
	return limit/2 + rand.N(limit/2)
}

// waitCurrent waits until the servers store.
func (x *external) waitCurrent(ctx context.Context, app *nats.Conn) error {
	js, err := jetstream.New(app)
	if err != nil {
		return err
	}
	for patience := x.newPatience("NATS does not store yet"); ; {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		_, err := js.AccountInfo(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if err := patience.wait(ctx, err); err != nil {
			return err
		}
	}
}

// handOver does nothing: a node leads nothing there.
func (x *external) handOver(*nats.Conn) {}

// stop does nothing either: the caller closes all connections.
func (x *external) stop() {}

// patience waits for what others have to do, and says so from time to time.
type patience struct {
	log     *slog.Logger
	message string
	tries   int
	told    time.Time
}

func (x *external) newPatience(message string) *patience {
	return &patience{log: x.log, message: message, told: time.Now().Add(-waitTold + time.Second)}
}

// waitTold is how often the log says what is waited for; first after a second.
const waitTold = 10 * time.Second

// wait waits before the next try. It returns ctx's error if that ended.
func (p *patience) wait(ctx context.Context, err error) error {
	if time.Since(p.told) >= waitTold {
		p.log.Warn(p.message, "error", err)
		p.told = time.Now()
	}
	pause(ctx, p.tries)
	p.tries++
	return ctx.Err()
}
