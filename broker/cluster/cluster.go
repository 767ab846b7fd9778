// Package cluster holds what makes nodes one cluster, apart from NATS: the key that all of them are
// given, and who does what only one of them may do.
//
// A Key is one secret file. In it are the operator's keys, which sign tenants' accounts, and a
// certificate authority. Each node makes its own short-lived certificate from that, and trusts no
// other authority; so there is nothing to request, to copy back or to renew by hand. What else the
// nodes must agree on, such as the operator's token, is derived from the key.
//
// Members is one node's view of who lives, Lease its own right to act, and Owner shares single work
// out among those who live. They are arithmetic over given times: they start nothing and ask nobody.
//
// The package owns the key's file format. It does not know how nodes talk, where their records are
// kept, or what the work is.
package cluster
