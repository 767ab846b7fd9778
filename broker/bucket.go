package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// bucket says how a key-value bucket is made.
type bucket struct {
	name      string
	replicas  int
	maxBytes  int64         // of all; default unbounded
	maxValue  int           // bytes of one; default unbounded
	markerAge time.Duration // how long the marker of an expired or purged key stays; with it keys can expire
}

// openBucket makes the bucket, or gives it other bounds. It is that of the client's own
// CreateOrUpdateKeyValue but for one thing: of several copies, only the leader answers a Get. Another
// one may lag, and what was just written must be read, on whatever node.
func openBucket(ctx context.Context, js jetstream.JetStream, b bucket) (jetstream.KeyValue, error) {
	if _, err := js.CreateOrUpdateStream(ctx, b.stream()); err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, b.name)
	return kv, unheardOf(err)
}

// stream is the stream that the bucket is.
func (b bucket) stream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: "KV_" + b.name, Subjects: []string{"$KV." + b.name + ".>"}, Storage: jetstream.FileStorage,
		Replicas: b.replicas, AllowDirect: b.replicas == 1,
		MaxMsgsPerSubject: 1, MaxBytes: cmp.Or(b.maxBytes, -1), MaxMsgSize: int32(cmp.Or(b.maxValue, -1)),
		MaxMsgs: -1, MaxConsumers: -1, Discard: jetstream.DiscardNew, Duplicates: 2 * time.Minute,
		AllowRollup: true, DenyDelete: true, AllowMsgTTL: b.markerAge > 0, SubjectDeleteMarkerTTL: b.markerAge,
	}
}

// unheardOf is the error of a look at what was made a moment ago. In a cluster another server answers
// than the one that made it, and may not have heard of it yet: the error is transient.
func unheardOf(err error) error {
	if errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("%w: %w", jetstream.ErrNoStreamResponse, err)
	}
	return err
}

// openObjects makes an object store, in the same way.
func openObjects(ctx context.Context, js jetstream.JetStream, name string, replicas int) (jetstream.ObjectStore, error) {
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: "OBJ_" + name, Subjects: []string{"$O." + name + ".C.>", "$O." + name + ".M.>"}, Storage: jetstream.FileStorage,
		Replicas: replicas, AllowDirect: replicas == 1, MaxBytes: -1, Discard: jetstream.DiscardNew, AllowRollup: true,
	})
	if err != nil {
		return nil, err
	}
	objects, err := js.ObjectStore(ctx, name)
	return objects, unheardOf(err)
}
