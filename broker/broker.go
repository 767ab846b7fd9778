// Package broker keeps and carries the events of tenants.
//
// It embeds a NATS server with JetStream and owns all that is stored: the registry of tenants,
// tokens, plugins, routes, sources and secrets, the plugins' bytes, each tenant's history of events and its key-value
// store. On top of the history it keeps one hub per active tenant, from which any number of
// subscriptions read live and replayed events without loss or repetition. The package knows nothing
// of HTTP, of Server-Sent Events or of WebAssembly.
package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/millrace/millrace/abi"
)

// Config says how a Broker runs. A zero field takes its default; Dir has none.
type Config struct {
	Dir           string        // data folder, made with mode 0700
	Node          string        // server name; default "n1"
	Fsync         bool          // each acknowledgement is on disk, not only with the operating system
	Logger        *slog.Logger  // default slog.Default()
	MaxEventBytes int           // of an event's data; default abi.MaxSendBytes, at most 8 MiB
	Linger        time.Duration // how long a hub or connection that nobody uses is kept; default 60 s
	RingBytes     int           // recent events kept in memory per tenant; default 8 MiB
	Cluster       *Cluster      // default none: the node is alone
	NATS          *NATS         // in place of the embedded server and of Cluster; default none
	// Changed is called from one goroutine, in order, once for each tenant before Ready and then after
	// a tenant's view changed or went, before the write that did it returns. It must not block, nor
	// call the Broker itself.
	Changed func(tenant string)

	copies int // that the external NATS keeps, found out at the start
}

func (c Config) withDefaults() (_ Config, err error) {
	c.Node = cmp.Or(c.Node, "n1")
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.MaxEventBytes = cmp.Or(c.MaxEventBytes, abi.MaxSendBytes)
	c.Linger = cmp.Or(c.Linger, time.Minute)
	c.RingBytes = cmp.Or(c.RingBytes, 8<<20)
	if c.Changed == nil {
		c.Changed = func(string) {}
	}
	if c.Dir == "" {
		err = errors.Join(err, errors.New("no data folder"))
	}
	if !abi.ValidName(c.Node) {
		err = errors.Join(err, fmt.Errorf("node name %q is not of [a-z0-9-]", c.Node))
	}
	if c.MaxEventBytes < 1 || c.MaxEventBytes > 8<<20 {
		err = errors.Join(err, fmt.Errorf("event limit of %d bytes is not between 1 and 8 MiB", c.MaxEventBytes))
	}
	if c.Linger < 0 {
		err = errors.Join(err, fmt.Errorf("linger of %s is negative", c.Linger))
	}
	if c.RingBytes < 0 {
		err = errors.Join(err, fmt.Errorf("ring of %d bytes is negative", c.RingBytes))
	}
	if wrong := c.Cluster.check(); wrong != nil {
		err = errors.Join(err, wrong)
	}
	if wrong := c.NATS.check(); wrong != nil {
		err = errors.Join(err, wrong)
	}
	if c.Cluster != nil && c.NATS != nil {
		err = errors.Join(err, errors.New("a node is in a cluster of its own or uses an external NATS, not both"))
	}
	return c, err
}

// maxPayload is the largest message that the server takes: an event's data, or a record of the
// registry, and room for headers.
func (c Config) maxPayload() int { return max(c.MaxEventBytes, maxRecordBytes) + 64<<10 }

// Broker is one node. Its methods may be called from any goroutine, and wait until it is ready.
type Broker struct {
	config Config
	ready  chan struct{} // closed once calls are served
	closed chan struct{} // closed once none is served any more
	counts counts
	rest   *rest
	life   string // random; of this Broker

	// Set before ready is closed, and not changed.
	operator *operator
	servers  servers
	node     *node // the embedded one of servers, nil if they are external
	system   *nats.Conn
	registry *registry
	store    *store
	cursors  *cursors
	members  *members        // nil for a node that is alone
	copies   *copies         // nil for a node that is alone
	ctx      context.Context // ends before the server does

	mu    sync.Mutex
	began bool
	ended bool               // no goroutine may be started any more
	links map[string]*link   // by tenant's UID
	held  map[string]holding // by key
	tasks sync.WaitGroup

	loseLive func(seq uint64) bool // tests make the hub miss live events with it
}

// New returns a Broker that does nothing until Run is called. Its error names all that is wrong with c.
func New(c Config) (*Broker, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	return &Broker{
		config: c, ready: make(chan struct{}), closed: make(chan struct{}), rest: newRest(), life: randomID(), links: map[string]*link{}, held: map[string]holding{},
	}, nil
}

// Run opens the data folder, starts the embedded server and serves until ctx ends; then it ends all
// subscriptions, closes the storage and returns nil. It can be called once.
func (b *Broker) Run(ctx context.Context) error {
	b.mu.Lock()
	again := b.began
	b.began = true
	b.mu.Unlock()
	if again {
		return errors.New("broker: Run was called before")
	}
	defer close(b.closed)
	if err := os.MkdirAll(b.config.Dir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	unlock, err := lockFolder(b.config.Dir)
	if err != nil {
		return fmt.Errorf("data folder %s: %w", b.config.Dir, err)
	}
	defer unlock()
	return b.run(ctx)
}

func (b *Broker) run(ctx context.Context) (err error) {
	if err := claimFolder(b.config.Dir, b.config.kin()); err != nil {
		return fmt.Errorf("data folder %s: %w", b.config.Dir, err)
	}
	if b.operator, err = b.config.operator(); err != nil {
		return err
	}
	if err := b.openServers(ctx); err != nil {
		return b.stopped(ctx, err)
	}
	defer b.servers.stop()
	if b.system, err = b.servers.system(); err != nil {
		return err
	}
	defer b.system.Close()
	app, err := b.operator.appAccount()
	if err != nil {
		return err
	}
	nc, err := b.servers.app(ctx, app)
	if err != nil {
		return b.stopped(ctx, err)
	}
	defer nc.Close()
	return b.serve(ctx, nc)
}

// serve runs all that lives as long as the broker, and waits for it.
func (b *Broker) serve(ctx context.Context, app *nats.Conn) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b.ctx = ctx
	if err := b.servers.waitCurrent(ctx, app); err != nil {
		return b.stopped(ctx, err)
	}
	if b.registry, err = openRegistry(ctx, app, b.config, b.changed); err != nil {
		return b.stopped(ctx, err)
	}
	if b.store, err = openStore(ctx, app, b.config); err != nil {
		return b.stopped(ctx, err)
	}
	if b.cursors, err = openCursors(ctx, app, b.config); err != nil {
		return b.stopped(ctx, err)
	}
	b.start(func() { cancel(b.registry.run(ctx)) })
	select {
	case <-b.registry.loaded:
		if err := b.join(ctx, app); err != nil {
			cancel(err)
			break
		}
		close(b.ready)
		b.start(b.sweep)
		b.start(b.finishDeletions)
		b.start(b.keepCursors)
	case <-ctx.Done():
	}
	<-ctx.Done()
	b.shutdown()
	if b.config.Cluster != nil {
		b.servers.handOver(b.system)
	}
	return b.stopped(ctx, context.Cause(ctx))
}

// stopped is what Run returns for err: nothing if the caller wanted the end.
func (b *Broker) stopped(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return nil
	}
	return err
}

// shutdown ends what the tenants have open, and waits for every goroutine.
func (b *Broker) shutdown() {
	b.mu.Lock()
	b.ended = true
	links := b.links
	b.links = nil
	b.mu.Unlock()
	for _, l := range links {
		l.end(ErrClosed)
		l.close()
	}
	b.tasks.Wait()
}

// start runs task as one of the goroutines that Run waits for; false if it is too late for that.
func (b *Broker) start(task func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return false
	}
	b.tasks.Go(task)
	return true
}

// serving waits until calls are served. It returns ErrClosed once they are no more.
func (b *Broker) serving(ctx context.Context) error {
	select {
	case <-b.ready:
	case <-b.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	if b.ctx.Err() != nil {
		return ErrClosed
	}
	return nil
}

// changed is told by the registry of each new view, in order.
func (b *Broker) changed(tenant string, v *View) {
	b.dropOthers(tenant, v)
	b.config.Changed(tenant)
}
