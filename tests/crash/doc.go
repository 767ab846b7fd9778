// Package crash tests what is left when the server is ended: by SIGKILL in the midst of work, and by
// SIGTERM with viewers. All of it is in the tests.
package crash
