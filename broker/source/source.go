// Package source pulls remote streams into a tenant's history.
//
// A Client makes one connection: it sends a request with secrets filled in, refuses addresses that
// are not for tenants, follows redirects without giving credentials away, decodes what it asked
// for, and cuts the body into events, by the standard for Server-Sent Events and line by line for
// all else. A Worker keeps one source connected: it resumes, waits, gives up or is done as the
// source's Config says, runs the source's callbacks and appends what comes out of them.
//
// The package owns the connections and, while a Worker runs, the source's cursor. It does not know
// where history is kept, nor what a plugin is: a Store and Callbacks are given to it. That one
// Worker runs per source is the business of whoever starts it; a Store refuses the second.
package source
