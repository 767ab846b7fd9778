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
	Role          string   `default:"core" enum:"core,edge" placeholder:"ROLE" help:"core keeps data; edge keeps none and only carries viewers (${default})."`
}

// check refuses flags that would not make a cluster.
func (c *clusterFlags) check(node string) error {
	switch {
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

// cluster is what the broker needs to know, nil for a node that is alone.
func (c *clusterFlags) cluster() (*broker.Cluster, error) {
	if c.ClusterKey == "" {
		return nil, nil
	}
	key, err := cluster.ReadFile(c.ClusterKey)
	if err != nil {
		return nil, err
	}
	return &broker.Cluster{Key: key, Listen: c.ClusterListen, Join: c.Join, Edge: c.Role == "edge"}, nil
}
