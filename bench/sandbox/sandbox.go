// Package sandbox holds benchmarks that compare the sandbox with other ways to run the same guest.
//
// It is a module of its own, so that what it is compared with is no dependency of the program. It
// has no code but tests.
package sandbox
