package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// oldestNATS is the first version with all that is needed: batches that are stored whole or not at
// all, and their refusal when a message of theirs is stored already.
var oldestNATS = [3]int{2, 12, 1}

// survey is what the servers of an external NATS say of themselves.
type survey struct {
	servers []server.Varz // of the cluster that the node is connected to, those that answer
	size    int           // servers that store, those too that are down
}

// survey asks until the servers have a leader for what they store, or say that they store nothing.
func (x *external) survey(ctx context.Context) (survey, error) {
	for patience := x.newPatience("NATS has no leader yet"); ; {
		s, err := x.look(ctx)
		if err == nil || !transient(err) {
			return s, err
		}
		if err := patience.wait(ctx, err); err != nil {
			return s, err
		}
	}
}

// look asks once. The error is transient while there is no leader.
func (x *external) look(ctx context.Context) (s survey, err error) {
	if s.servers, err = askServers[server.Varz](ctx, x.root, "VARZ"); err != nil {
		return s, err
	}
	if !slices.ContainsFunc(s.servers, stores) {
		return s, nil
	}
	infos, err := askServers[server.JSInfo](ctx, x.root, "JSZ")
	if err != nil {
		return s, err
	}
	for _, info := range infos {
		switch {
		case info.Disabled:
		case info.Meta == nil:
			s.size = 1
		case info.Meta.Leader != "":
			s.size = max(s.size, info.Meta.Size)
		}
	}
	if s.size == 0 {
		return s, errSettling
	}
	return s, nil
}

// stores tells whether a server has JetStream.
func stores(v server.Varz) bool { return v.JetStream.Config != nil }

// copies is how many of everything the servers can keep.
func (s survey) copies() int {
	if s.size < clusterReplicas {
		return 1
	}
	return clusterReplicas
}

// check returns why the servers are not good for use, all reasons at once.
func (s survey) check(op *operator, maxPayload int) (err error) {
	for _, v := range s.servers {
		if olderThan(v.Version, oldestNATS) {
			err = errors.Join(err, fmt.Errorf("server %s is version %s, and it takes %d.%d.%d", v.Name, v.Version, oldestNATS[0], oldestNATS[1], oldestNATS[2]))
		}
		if int(v.MaxPayload) < maxPayload {
			err = errors.Join(err, fmt.Errorf("server %s takes messages of %d bytes, and has to take %d: set its max_payload", v.Name, v.MaxPayload, maxPayload))
		}
		if o := trusted(v); o == nil {
			err = errors.Join(err, fmt.Errorf("server %s trusts no operator: it is not in operator mode", v.Name))
		} else if key := publicKey(op.signing); o.Subject != key && !slices.Contains(o.SigningKeys, key) {
			err = errors.Join(err, fmt.Errorf("the operator %s that server %s trusts has no signing key %s: add it, give the server the operator's new JWT and reload it", o.Name, v.Name, key))
		}
	}
	if !slices.ContainsFunc(s.servers, stores) {
		err = errors.Join(err, errors.New("no server stores: switch JetStream on"))
	}
	return err
}

// strict tells whether the operator wants users to be signed by signing keys of their accounts.
func (s survey) strict() bool {
	return slices.ContainsFunc(s.servers, func(v server.Varz) bool {
		o := trusted(v)
		return o != nil && o.StrictSigningKeyUsage
	})
}

// trusted is the operator that a server trusts, nil if none.
func trusted(v server.Varz) *jwt.OperatorClaims {
	if len(v.TrustedOperatorsClaim) == 0 {
		return nil
	}
	return v.TrustedOperatorsClaim[0]
}

// olderThan compares a version, such as 2.12.0-beta.1, with one that is needed. One that cannot be
// read is taken for a new one.
func olderThan(version string, needed [3]int) bool {
	number, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), "-")
	parts := strings.Split(number, ".")
	if len(parts) != len(needed) {
		return false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n != needed[i] {
			return err == nil && n < needed[i]
		}
	}
	return false
}

// askServers asks all servers of the cluster that nc is connected to.
func askServers[T any](ctx context.Context, nc *nats.Conn, what string) (all []T, err error) {
	const subject = "$SYS.REQ.SERVER.PING."
	msgs, err := askAll(ctx, nc, subject+what, nil)
	if err != nil {
		return nil, err
	}
	for _, m := range msgs {
		var answer struct {
			Server server.ServerInfo             `json:"server"`
			Data   *T                            `json:"data"`
			Error  *struct{ Description string } `json:"error"`
		}
		if err := json.Unmarshal(m.Data, &answer); err != nil {
			return nil, fmt.Errorf("external NATS: answer to %s: %w", m.Subject, err)
		}
		mine := answer.Server.Cluster == nc.ConnectedClusterName() && (answer.Server.Cluster != "" || answer.Server.ID == nc.ConnectedServerId())
		if mine && answer.Data != nil {
			all = append(all, *answer.Data)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("external NATS: no server answers to %s%s", subject, what)
	}
	return all, nil
}

// How long servers have to answer, and to be silent before all have.
const (
	firstAnswer = 5 * time.Second
	lastAnswer  = 300 * time.Millisecond
)

// askAll asks what several answer. Its error says why none has.
func askAll(ctx context.Context, nc *nats.Conn, subject string, body []byte) (all []*nats.Msg, err error) {
	inbox := nc.NewRespInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("external NATS: ask %s: %w", subject, err)
	}
	defer sub.Unsubscribe()
	if err := nc.PublishRequest(subject, inbox, body); err != nil {
		return nil, fmt.Errorf("external NATS: ask %s: %w", subject, err)
	}
	for wait := firstAnswer; ; wait = lastAnswer {
		attempt, cancel := context.WithTimeout(ctx, wait)
		m, err := sub.NextMsgWithContext(attempt)
		cancel()
		switch {
		case err == nil && m.Header.Get("Status") == "503":
			return nil, fmt.Errorf("external NATS: nobody answers to %s: the user that logs in is not of the system account, or the servers do not offer it", subject)
		case err == nil:
			all = append(all, m)
			continue
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case len(all) > 0:
			return all, nil
		}
		if denied := nc.LastError(); errors.Is(denied, nats.ErrPermissionViolation) {
			err = denied
		}
		return nil, fmt.Errorf("external NATS: ask %s: %w", subject, err)
	}
}

// checkResolver makes an account and deletes it, as is done for each tenant, so that what the servers
// refuse is known at the start.
func (x *external) checkResolver(ctx context.Context) error {
	probe, err := x.op.newAccount("probe", "probe")
	if err != nil {
		return err
	}
	for patience := x.newPatience("NATS does not answer for accounts"); ; {
		attempt, cancel := context.WithTimeout(ctx, firstAnswer)
		err := removeAccount(attempt, x.root, x.op, probe)
		cancel()
		denied := x.root.LastError()
		switch {
		case err == nil:
			return nil
		case errors.Is(denied, nats.ErrPermissionViolation):
			return fmt.Errorf("the user of %s lacks a permission: %w", x.nats.System, denied)
		case errors.Is(err, nats.ErrNoResponders), !transient(err):
			return fmt.Errorf("accounts cannot be made and deleted; it takes a resolver of type full, with allow_delete: %w", err)
		}
		if err := patience.wait(ctx, err); err != nil {
			return err
		}
	}
}
