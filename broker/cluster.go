package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/millrace/millrace/broker/cluster"
)

// Cluster is how a node finds the others, and what all of them share. A cluster has three nodes or
// more: of two, neither could go on alone, since it cannot tell whether the other is down or out of
// reach.
type Cluster struct {
	Key    *cluster.Key // the same on every node
	Listen string       // host:port for the other nodes
	Join   []string     // host:port of the other nodes, at least two; the node's own may be among them
	Edge   bool         // the node keeps no data and holds no keys: it serves what the others have
}

// edge tells whether the node keeps no data.
func (c Config) edge() bool {
	return c.Cluster != nil && c.Cluster.Edge || c.NATS != nil && c.NATS.Edge
}

// shared tells whether other nodes use the same storage, to which the way can be lost.
func (c Config) shared() bool { return c.Cluster != nil || c.NATS != nil }

// clusterReplicas is how many copies of everything a cluster keeps, whatever its size.
const clusterReplicas = 3

// replicas is how many copies of a stream there are. Everything that makes a stream asks here.
func (c Config) replicas() int {
	switch {
	case c.NATS != nil:
		return c.copies
	case c.Cluster != nil:
		return clusterReplicas
	}
	return 1
}

// patience is how long a publication waits for its acknowledgement before it is sent again. In a
// cluster the leader that it went to may be gone.
func (c Config) patience() time.Duration {
	if c.shared() {
		return 2 * time.Second
	}
	return writeTimeout / 3
}

func (c *Cluster) check() (err error) {
	if c == nil {
		return nil
	}
	if c.Key == nil {
		err = errors.New("cluster has no key")
	}
	for _, address := range append([]string{c.Listen}, c.Join...) {
		if _, _, wrong := splitAddress(address); wrong != nil {
			err = errors.Join(err, wrong)
		}
	}
	if n := len(c.others()); n < 2 {
		err = errors.Join(err, fmt.Errorf("cluster of %d nodes: it takes three, so that two can go on when one is down; join at least two others", n+1))
	}
	return err
}

// others are the addresses to join, without the node's own.
func (c *Cluster) others() []string {
	others := slices.Compact(slices.Sorted(slices.Values(c.Join)))
	return slices.DeleteFunc(others, c.own)
}

// own tells whether address is this node's: what it listens at, or where it listens at all of the
// machine's addresses, one of those.
func (c *Cluster) own(address string) bool {
	if address == c.Listen {
		return true
	}
	host, port, err := splitAddress(address)
	all, listens, errListen := splitAddress(c.Listen)
	if err != nil || errListen != nil || port != listens {
		return false
	}
	if ip, err := netip.ParseAddr(all); all != "" && (err != nil || !ip.IsUnspecified()) {
		return false
	}
	if name, err := os.Hostname(); err == nil && strings.EqualFold(name, host) {
		return true
	}
	return isHere(host)
}

// isHere tells whether a host name or address is one of this machine's. One that cannot be looked up
// in two seconds is not.
func isHere(host string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	there, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false
	}
	here, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(here, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && slices.ContainsFunc(there, func(ip netip.Addr) bool { return ip.Unmap() == prefix.Addr().Unmap() })
	})
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("cluster address %q is not host:port", address)
	}
	return host, port, nil
}

// options lets the server talk to the other nodes.
func (c *Cluster) options(o *server.Options) error {
	host, port, err := splitAddress(c.Listen)
	if err != nil {
		return err
	}
	tls, err := c.Key.NodeTLS(o.ServerName)
	if err != nil {
		return err
	}
	const user = "node"
	o.Cluster = server.ClusterOpts{
		Name: c.Key.Name(), Host: host, Port: port, TLSConfig: tls, TLSTimeout: 5,
		Username: user, Password: c.Key.ClusterSecret(), NoAdvertise: true,
	}
	if ip, err := netip.ParseAddr(host); c.Edge && host != "" && (err != nil || !ip.IsUnspecified()) {
		o.Cluster.Advertise = c.Listen // nobody joins an edge, but other edges hear of it from those that it joins
	}
	for _, address := range c.others() {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: address, User: url.UserPassword(user, c.Key.ClusterSecret())})
	}
	// Without a listener for clients the server does not take routes either. This one needs a login.
	o.DontListen, o.Host, o.Port = false, "127.0.0.1", server.RANDOM_PORT
	return nil
}

// kin names the cluster that the node's data is of; "" for a node that is alone.
func (c Config) kin() string {
	switch {
	case c.NATS != nil:
		return c.NATS.Key.Name() + " on external NATS"
	case c.Cluster != nil:
		return c.Cluster.Key.Name()
	}
	return ""
}

// claimFolder notes in a data folder which cluster its data is of, or that it is of none. A folder
// of another kind is refused: its streams would not be found, or be deleted.
func claimFolder(dir, name string) error {
	path := filepath.Join(dir, "cluster")
	b, err := os.ReadFile(path)
	was := strings.TrimSpace(string(b))
	_, alone := os.Stat(filepath.Join(dir, operatorName))
	switch {
	case err == nil && was == name:
		return nil
	case err == nil && name == "":
		return fmt.Errorf("data folder is of a node of the cluster %s: start it with that cluster's key", was)
	case err == nil:
		return fmt.Errorf("data folder is of a node of the cluster %s, the key is that of %s", was, name)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case name == "":
		return nil
	case alone == nil:
		return errors.New("data folder is of a node that runs alone, whose streams would not outlive its joining: back it up, and restore into the cluster")
	}
	return writeFile(path, []byte(name+"\n"))
}
