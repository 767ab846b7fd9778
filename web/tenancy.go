package web

import (
	"sync"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
)

// tenancy is what a tenant has on this node for as long as it exists, whatever its views: its share
// of the processors, and its way to remote servers.
type tenancy struct {
	uid      string
	share    *host.Share
	outbound *outbound
}

// tenancies are the node's tenancies.
type tenancies struct {
	host     *host.Host
	outbound func(view *broker.View) *outbound

	mu     sync.Mutex
	byName map[string]*tenancy
}

func newTenancies(h *host.Host, out func(*broker.View) *outbound) *tenancies {
	return &tenancies{host: h, outbound: out, byName: map[string]*tenancy{}}
}

// of gives the tenancy of a view's tenant, made at first use.
func (ts *tenancies) of(view *broker.View) *tenancy {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	name := view.Tenant.Name
	t := ts.byName[name]
	if t == nil || t.uid != view.Tenant.UID {
		t.close()
		t = &tenancy{uid: view.Tenant.UID, share: ts.host.NewShare(), outbound: ts.outbound(view)}
		ts.byName[name] = t
	}
	return t
}

// forget lets go of a tenant that is gone; those who hold its tenancy go on with it.
func (ts *tenancies) forget(tenant string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.byName[tenant].close()
	delete(ts.byName, tenant)
}

// close lets go of all of them.
func (ts *tenancies) close() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.byName {
		t.close()
	}
	clear(ts.byName)
}

// close lets go of connections that no stream uses; t may be nil.
func (t *tenancy) close() {
	if t != nil {
		t.outbound.client.Close()
	}
}
