package cluster

import "strings"

// Setting is what differs between a node here and one in docker-compose.yml.
type Setting struct {
	Node          string
	Listen        string
	Data          string
	Key           string // path of the cluster's key; empty for a node that is alone
	ClusterListen string
	Join          []string
	Edge          bool // it keeps no data
}

// Flags are the flags of serve with which nodes run in production, here and in docker-compose.yml.
func (s Setting) Flags() []string {
	flags := []string{"--node", s.Node, "--listen", s.Listen, "--insecure", "--data", s.Data, "--fsync"}
	if s.Key != "" {
		flags = append(flags, "--cluster-key", s.Key, "--cluster-listen", s.ClusterListen, "--join", strings.Join(s.Join, ","))
	}
	if s.Edge {
		flags = append(flags, "--role", "edge")
	}
	return flags
}
