package web

import (
	"context"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
)

// TenantPath is the input of calls on a tenant. Like the others that are embedded it is exported for
// huma, which reads them by reflection.
type TenantPath struct {
	Tenant string `path:"tenant"`
}

type noContent struct{}

type tenantOut struct {
	Status int
	Body   broker.Tenant
}

func (s *Server) tenantCalls(api huma.API) {
	const all, one = "/v1/tenants", "/v1/tenants/{tenant}"
	register(s, api, operation(http.MethodGet, all, "listTenants", "List tenants", scopeOperator), s.listTenants)
	register(s, api, operation(http.MethodGet, one, "getTenant", "Show a tenant", scopeAdmin), s.getTenant)
	register(s, api, operation(http.MethodPut, one, "putTenant", "Make or change a tenant", scopeOperator), s.putTenant)
	del := operation(http.MethodDelete, one, "deleteTenant", "Delete a tenant with all its data", scopeOperator)
	del.DefaultStatus = http.StatusNoContent
	register(s, api, del, s.deleteTenant)
}

type tenantsOut struct {
	Body struct {
		Tenants []broker.Tenant `json:"tenants"`
	}
}

func (s *Server) listTenants(context.Context, *struct{}) (*tenantsOut, error) {
	out := &tenantsOut{}
	out.Body.Tenants = []broker.Tenant{}
	for _, v := range s.broker.Views() {
		out.Body.Tenants = append(out.Body.Tenants, v.Tenant)
	}
	return out, nil
}

func (s *Server) getTenant(ctx context.Context, in *TenantPath) (*tenantOut, error) {
	v, err := s.broker.View(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	return &tenantOut{http.StatusOK, v.Tenant}, nil
}

func (s *Server) putTenant(ctx context.Context, in *struct {
	TenantPath
	Body *broker.Spec `required:"false"`
}) (*tenantOut, error) {
	if !abi.ValidName(in.Tenant) {
		return nil, badName("tenant")
	}
	var spec broker.Spec
	if in.Body != nil {
		spec = *in.Body
	}
	if err := s.checkSpec(in.Tenant, &spec); err != nil {
		return nil, err
	}
	v, isNew, err := s.broker.PutTenant(ctx, in.Tenant, spec)
	if err != nil {
		return nil, err
	}
	if err := s.settle(ctx, in.Tenant); err != nil {
		return nil, err
	}
	return &tenantOut{created(isNew), v.Tenant}, nil
}

func (s *Server) deleteTenant(ctx context.Context, in *TenantPath) (*noContent, error) {
	if err := s.broker.DeleteTenant(ctx, in.Tenant); err != nil {
		return nil, err
	}
	return nil, s.settle(ctx, in.Tenant)
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// checkSpec checks what the document's schema cannot, and writes host names in lower case.
func (s *Server) checkSpec(tenant string, spec *broker.Spec) error {
	for i, h := range spec.Hosts {
		h = strings.ToLower(h)
		spec.Hosts[i] = h
		if len(h) > 253 || !hostName.MatchString(h) || !strings.Contains(h, ".") || net.ParseIP(h) != nil {
			return bad("body.hosts", "%q is no full host name, such as acme.example.com.", h)
		}
		for _, v := range s.broker.Views() {
			if v.Tenant.Name != tenant && slices.Contains(v.Tenant.Hosts, h) {
				return fail(http.StatusConflict, "The host %s is another tenant's.", h).at("body.hosts", "in use")
			}
		}
	}
	if age := spec.Quotas.HistoryAge; age != "" {
		if d, err := time.ParseDuration(age); err != nil || d < time.Second {
			return bad("body.quotas.historyAge", "historyAge is no duration of a second or more, such as 24h.")
		}
	}
	return nil
}

func badName(what string) error {
	return bad("path."+what, "A %s's name has 1 to 63 of a-z, 0-9 and -, and begins with none of the last.", what)
}

// sortedKeys gives a map's keys in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
