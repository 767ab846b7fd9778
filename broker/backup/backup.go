// Package backup is the form of backup files: what a tenant is outside of a server.
//
// A file is a tar archive of plain files, which any tar lists and unpacks. It begins with
// millrace-backup.json, the Head. Then each tenant has a section, a folder of its name:
//
//	tenant.json             Tenant: what the section is about
//	records/00000001.ndjson Record a line: tokens, plugins, routes, sources, secrets, cursors of sources
//	plugins/<sha256>.wasm   the bytes of the plugins' versions
//	kv/00000001.ndjson      Message a line: what plugins have stored
//	history/00000001.ndjson Message a line: events, by sequence
//	SHA256SUMS              the sum of each of these, as sha256sum -c reads them; the section's end
//
// A SHA256SUMS of its own, over the head and the sections' sums, ends the file. So one that was cut off
// has no end, and every byte is either under a sum or can have one value only: the headers of the
// archive are made from name and size alone, and Reader takes no others. Who has unpacked a file and
// packed it again has another file.
//
// The package knows the form, not the server: what a record holds is for others to judge. It holds one
// part in memory at a time.
package backup

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Format is the number of the form that this package writes, and reads.
const Format = 1

// Names in the archive.
const (
	headName = "millrace-backup.json"
	SumsName = "SHA256SUMS" // of a section's last part, and the file's

	TenantName    = "tenant.json"
	RecordsFolder = "records"
	PluginsFolder = "plugins"
	KVFolder      = "kv"
	HistoryFolder = "history"
)

// Bounds of a file.
const (
	MaxPartBytes = 64 << 20 // of one part: more than an event can be, however it is escaped
	partBytes    = 4 << 20  // after which a part of lines is closed
	maxTenants   = 1_000_000
)

// ErrDamaged is what every error of Reader wraps that is the file's fault: it was cut off, changed, or
// is no backup.
var ErrDamaged = errors.New("backup is damaged")

// ErrFormat is returned for a file of another Format.
var ErrFormat = errors.New("backup is of another format")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// Head begins a file.
type Head struct {
	Format  int       `json:"format"`
	Created time.Time `json:"created"`           // in whole seconds
	Version string    `json:"version,omitempty"` // of the program that wrote it
}

var (
	tenantPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	partPattern   = regexp.MustCompile(`^(tenant\.json|(records|kv|history)/[0-9]{8}\.ndjson|plugins/[0-9a-f]{64}\.wasm|SHA256SUMS)$`)
)

// Part is one file of a section.
type Part struct {
	Tenant string // the section's name
	Name   string // within the section; SumsName tells that the section is whole
	Data   []byte // good until the next Part is read
}
