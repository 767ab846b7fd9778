package cluster

import (
	"crypto/sha256"
	"encoding/binary"
)

// Owner returns which of nodes does the work that key names, or "" if there is no node. All who see
// the same nodes, in whatever order, get the same answer. Keys spread evenly; when a node comes it
// takes only what is to be its own, when one goes only what was its own moves.
//
// Those who see different nodes get different owners for a while. Owner is for sharing work out; it
// is no lock, so the work itself has to bear two owners.
func Owner(key string, nodes []string) string {
	owner, most := "", uint64(0)
	for _, node := range nodes {
		weight := weigh(key, node)
		if owner == "" || weight > most || weight == most && node < owner {
			owner, most = node, weight
		}
	}
	return owner
}

// weigh is the hash of rendezvous hashing. It must be the same in every version of the program, or
// nodes of two versions would differ on all owners during an upgrade.
func weigh(key, node string) uint64 {
	b := make([]byte, 0, 128)
	b = binary.AppendUvarint(b, uint64(len(key))) // so that no other pair makes the same bytes
	b = append(append(b, key...), node...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}
