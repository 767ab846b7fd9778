package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stage is an account with streams that no tenant has yet. Its record says that it is to go, with all
// that is in it, unless it becomes a tenant's, or is touched now and then.
type stage struct {
	broker  *Broker
	uid     string
	nc      *nats.Conn
	js      jetstream.JetStream
	record  stageRecord
	touched time.Time
}

// stageRecord is a stage in the registry, where it is no tenant's part.
type stageRecord struct {
	Tenant string `json:"tenant"`
	Node   string `json:"node"`
	Life   string `json:"life"` // of the node's process
}

const (
	stageKind  = "restores"
	stageTouch = time.Minute
	copiesWait = 10 * time.Minute // for the other nodes to have what was restored
	stageAge   = 15 * time.Minute // after which nobody is at work on it, more than clocks may differ
)

func (b *Broker) newStage(ctx context.Context, tenant string) (*stage, error) {
	b.dropOldStages(ctx)
	s := &stage{broker: b, uid: randomID(), record: stageRecord{Tenant: tenant, Node: b.config.Node, Life: b.life}}
	if err := s.touch(ctx); err != nil {
		return nil, err
	}
	account, err := b.operator.tenantAccount(Tenant{Name: tenant, UID: s.uid}, b.config.maxPayload())
	if err != nil {
		return nil, err
	}
	if err := retry(ctx, func(ctx context.Context) error { return pushAccount(ctx, b.system, b.operator, account) }); err != nil {
		return nil, err
	}
	if s.nc, err = b.servers.connect(account); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if s.js, err = jetstream.New(s.nc); err != nil {
		s.nc.Close()
		return nil, err
	}
	return s, nil
}

// touch says that somebody is at work on the stage. ErrLost if somebody else has removed it.
func (s *stage) touch(ctx context.Context) error {
	if time.Since(s.touched) < stageTouch {
		return nil
	}
	again := !s.touched.IsZero()
	err := change(ctx, s.broker.registry, stageKind+"."+s.uid, func(rec stageRecord, exists bool) (stageRecord, bool, error) {
		if again && !exists {
			return rec, false, ErrLost
		}
		return s.record, true, nil
	})
	if err == nil {
		s.touched = time.Now()
	}
	return err
}

// current waits until most of the copies of each stream have all that was restored, so that what is
// acknowledged outlives the loss of a node.
func (s *stage) current(ctx context.Context, streams []string) error {
	if s.broker.config.replicas() == 1 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, copiesWait)
	defer cancel()
	for _, name := range streams {
		for try := 0; ; try++ {
			if err := s.touch(ctx); err != nil {
				return err
			}
			attempt, stop := context.WithTimeout(ctx, 5*time.Second)
			stream, err := s.js.Stream(attempt, name)
			stop()
			if err != nil && !transient(err) {
				return fmt.Errorf("copies of %s: %w", name, err)
			}
			if err == nil && settled(stream.CachedInfo()) {
				break
			}
			if !pause(ctx, try) {
				return fmt.Errorf("copies of %s: %w", name, context.Cause(ctx))
			}
		}
	}
	return nil
}

// settled tells whether all copies of a stream that can be reached are up to date, and most can be.
func settled(info *jetstream.StreamInfo) bool {
	if !byLeader(info.Cluster, info.Config.Replicas) {
		return false
	}
	have := 1
	for _, other := range info.Cluster.Replicas {
		switch {
		case other.Offline:
		case !other.Current || other.Lag > 0:
			return false
		default:
			have++
		}
	}
	return have > info.Config.Replicas/2
}

// dropStage removes a stage with all that is in it, unless it has become a tenant's.
func (b *Broker) dropStage(ctx context.Context, uid string) error {
	if b.registry.hasTenant(uid) {
		return nil // its record says what becomes of it
	}
	account, err := b.operator.tenantAccount(Tenant{Name: stageKind, UID: uid}, b.config.maxPayload())
	if err != nil {
		return err
	}
	if err := retry(ctx, func(ctx context.Context) error {
		return removeAccount(ctx, b.system, b.operator, account)
	}); err != nil {
		return err
	}
	return ignoreMissing(b.registry.remove(ctx, stageKind+"."+uid))
}

// dropOldStages removes stages that nobody is at work on: those that were not touched for long, and
// those of this node's processes before this one.
func (b *Broker) dropOldStages(ctx context.Context) {
	keys, err := b.registry.kv.ListKeysFiltered(ctx, stageKind+".*")
	if err != nil {
		b.config.Logger.Warn("left restores were not looked for", "error", err)
		return
	}
	defer keys.Stop()
	for key := range keys.Keys() {
		_, uid, _ := splitKey(key)
		if err := b.dropOldStage(ctx, key, uid); err != nil && ctx.Err() == nil {
			b.config.Logger.Warn("what a restore has left is still there", "restore", uid, "error", err)
		}
	}
}

func (b *Broker) dropOldStage(ctx context.Context, key, uid string) error {
	entry, err := b.registry.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var rec stageRecord
	if err := json.Unmarshal(entry.Value(), &rec); err != nil {
		return err
	}
	dead := rec.Node == b.config.Node && rec.Life != b.life
	if !dead && time.Since(entry.Created()) < stageAge {
		return nil
	}
	if err := b.registry.sync(ctx); err != nil { // it may have become a tenant's just now
		return err
	}
	if b.registry.hasTenant(uid) {
		return ignoreMissing(b.registry.remove(ctx, key))
	}
	return b.dropStage(ctx, uid)
}

// hasTenant tells whether a tenant, also one that is being deleted, has this UID.
func (r *registry) hasTenant(uid string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, v := range r.views {
		if v.Tenant.UID == uid {
			return true
		}
	}
	return false
}

// restoring tells whether this node knows of a restore that is about to make the tenant.
func (r *registry) restoring(tenant string) bool {
	v, live := r.view(tenant)
	return !live && v != nil && v.restoring
}
