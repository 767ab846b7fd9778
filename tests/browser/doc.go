// Package browser tests what a page in a real browser sees of the program: Chromium's own
// EventSource, with nothing of ours on its side. All of it is in the tests.
package browser
