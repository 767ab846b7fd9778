package broker

import (
	"cmp"
	"slices"

	"github.com/nats-io/nats-server/v2/server"
)

// StorageStats is what this node stores, and leads.
type StorageStats struct {
	Leader        bool            // this node leads the group of all that keep data
	Copies        int             // streams and key-value stores that it has a copy of
	Led           int             // of which this node's copy is the leader: summed up over all nodes, each counts once
	Bytes         uint64          // of all its copies
	HistoryBytes  uint64          // of the histories that it leads
	HistoryEvents uint64          // likewise
	Largest       []TenantHistory // of those, the largest first, MaxLargest at most
}

// TenantHistory is how large a tenant's history is.
type TenantHistory struct {
	Tenant        string
	Bytes, Events uint64
}

// MaxLargest is how many histories StorageStats tells of by name.
const MaxLargest = 20

// Storage asks the embedded server, if there is one, which looks at each stream: it is for those who
// ask now and then.
func (b *Broker) Storage() (s StorageStats, err error) {
	if !b.isReady() || b.node == nil || !b.node.keeps {
		return s, nil
	}
	accounts, err := b.node.accounts()
	if err != nil {
		return s, err
	}
	s.Leader = b.node.leadsAll()
	for _, account := range accounts {
		for i := range account.Streams {
			b.addStream(&s, account.Name, &account.Streams[i])
		}
	}
	slices.SortFunc(s.Largest, func(a, b TenantHistory) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Tenant, b.Tenant))
	})
	s.Largest = s.Largest[:min(len(s.Largest), MaxLargest)]
	return s, nil
}

// addStream adds a stream of the account of a tenant, or of the node's own.
func (b *Broker) addStream(s *StorageStats, tenant string, stream *server.StreamDetail) {
	s.Copies++
	s.Bytes += stream.State.Bytes
	if stream.Cluster != nil && stream.Cluster.Leader != b.config.Node {
		return
	}
	s.Led++
	if stream.Name != historyStream {
		return
	}
	s.HistoryBytes += stream.State.Bytes
	s.HistoryEvents += stream.State.Msgs
	s.Largest = append(s.Largest, TenantHistory{tenant, stream.State.Bytes, stream.State.Msgs})
}
