package main

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/cluster"
)

type clusterCommands struct {
	Init clusterInitCommand `cmd:"" help:"Make the key that all nodes of a new cluster are given."`
}

type clusterInitCommand struct {
	Out string `default:"cluster.key" placeholder:"FILE" help:"Where to write it; nothing is overwritten (${default})."`
}

// Run makes a key and writes it.
func (c *clusterInitCommand) Run(con *console) error {
	key, err := cluster.NewKey()
	if err != nil {
		return err
	}
	if err := key.WriteFile(c.Out); err != nil {
		return err
	}
	con.printf("%s\n", c.Out)
	con.notef("This file is the cluster: whoever has it can join, and read everything. Give it to each of three nodes or\n"+
		"more, and start each with its own --node and --cluster-listen, and the others' addresses as --join:\n\n"+
		"  millrace serve --cluster-key %s --node n1 --cluster-listen n1:6222 --join n2:6222,n3:6222\n", c.Out)
	return nil
}

// clusterFlags are the flags of serve for a node that is not alone.
type clusterFlags struct {
	ClusterKey    string   `placeholder:"FILE" help:"The cluster's key, made by cluster init. Without it the node is alone."`
	ClusterListen string   `placeholder:"HOST:PORT" help:"Address for the cluster's other nodes."`
	Join          []string `placeholder:"HOST:PORT" help:"Addresses of the other nodes, two at least."`
	Role          string   `default:"core" enum:"core,edge" placeholder:"ROLE" help:"core keeps data and pulls sources; edge does neither and only carries viewers (${default})."`

	Nats         []string `placeholder:"URL" help:"Servers of an external NATS that keeps everything in place of this node."`
	NatsOperator string   `placeholder:"FILE" help:"Seed of a signing key of the external NATS' operator."`
	NatsSystem   string   `placeholder:"FILE" help:"Credentials of a user of its system account."`
	NatsCA       string   `name:"nats-ca" placeholder:"FILE" help:"Authorities of its certificates, in PEM; the system's if not given."`
}

// check refuses flags that would not make a cluster.
func (c *clusterFlags) check(node string) error {
	if len(c.Nats) > 0 {
		return c.checkNATS(node)
	}
	switch {
	case c.NatsOperator != "" || c.NatsSystem != "" || c.NatsCA != "":
		return errors.New("--nats-operator, --nats-system and --nats-ca are for a node with --nats")
	case c.ClusterKey == "" && (c.ClusterListen != "" || len(c.Join) > 0 || c.Role != "core"):
		return errors.New("--cluster-listen, --join and --role are for a node with --cluster-key: make one by millrace cluster init")
	case c.ClusterKey == "":
		return nil
	case node == "":
		return errors.New("--cluster-key needs --node, a name that no other node of the cluster has")
	case c.ClusterListen == "":
		return errors.New("--cluster-key needs --cluster-listen, the address that the other nodes join")
	case len(c.Join) < 2:
		return fmt.Errorf("--join has %d addresses: a cluster has three nodes or more, since of two neither can go on alone", len(c.Join))
	}
	return nil
}

func (c *clusterFlags) checkNATS(node string) error {
	switch {
	case c.ClusterListen != "" || len(c.Join) > 0:
		return errors.New("--cluster-listen and --join are for nodes that keep data themselves: with --nats they meet there")
	case c.ClusterKey == "":
		return errors.New("--nats needs --cluster-key, the same file on every node: make it by millrace cluster init")
	case node == "":
		return errors.New("--nats needs --node, a name that no other node has that uses the same NATS and key")
	case c.NatsOperator == "" || c.NatsSystem == "":
		return errors.New("--nats needs --nats-operator, a file with the seed of a signing key, and --nats-system, " +
			"a file with credentials of a user of the system account: nsc makes both")
	}
	return nil
}

// storage says what the broker uses besides itself: the other nodes of a cluster, or an external NATS.
// Of a node that is alone all are nil.
type storage struct {
	key     *cluster.Key
	cluster *broker.Cluster
	nats    *broker.NATS
}

func (c *clusterFlags) storage() (s storage, err error) {
	if c.ClusterKey == "" {
		return s, nil
	}
	if s.key, err = cluster.ReadFile(c.ClusterKey); err != nil {
		return s, err
	}
	edge := c.Role == "edge"
	if len(c.Nats) == 0 {
		s.cluster = &broker.Cluster{Key: s.key, Listen: c.ClusterListen, Join: c.Join, Edge: edge}
		return s, nil
	}
	s.nats = &broker.NATS{URLs: c.Nats, Key: s.key, Operator: c.NatsOperator, System: c.NatsSystem, CA: c.NatsCA, Edge: edge}
	return s, nil
}
