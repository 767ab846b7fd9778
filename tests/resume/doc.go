// Package resume tests that coming back to a long history costs no more than coming to a short one.
// All of it is in the tests.
package resume
