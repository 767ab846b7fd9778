package cluster

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/nats-io/nkeys"
)

const (
	version  = 1
	maxBytes = 64 << 10 // of a key's file; one has about 2 KiB
	note     = "Secret. Every node of the cluster is given this file; whoever has it is the operator. Keep a copy off the nodes."
)

// ErrNotKey is returned for bytes that are no cluster key, or no longer a whole one.
var ErrNotKey = errors.New("not a whole cluster key")

// keyFile is a key as it is on disk.
type keyFile struct {
	Note        string `json:"note"`
	Version     int    `json:"millraceClusterKey"`
	Identity    string `json:"operatorIdentity"`
	Signing     string `json:"operatorSigning"`
	System      string `json:"systemAccount"`
	Master      []byte `json:"master"`
	Certificate string `json:"authorityCertificate"`
	Key         string `json:"authorityKey"`
	Sum         string `json:"sum"` // of all the above
}

// sum finds a slip in a copied or edited file. A changed master would be found by nothing else: the
// node would join, and sign for accounts that the other nodes do not know.
func (f keyFile) sum() string {
	f.Sum = ""
	b, err := json.Marshal(f)
	if err != nil {
		panic(err) // strings, a number and bytes
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// WriteFile writes the key to a new file that only its owner can read. The error wraps fs.ErrExist if
// there is one already: a key is never written over, for its cluster would be lost with it.
func (k *Key) WriteFile(path string) error {
	b, err := k.Encode()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write cluster key: %w", err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write cluster key: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// ReadFile reads a key. A file that others can read is refused. The errors say what to do.
func ReadFile(path string) (*Key, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cluster key: %w: make it once, with millrace cluster init --out %s, and give that file to every node", err, path)
	}
	if err != nil {
		return nil, fmt.Errorf("cluster key: %w", err)
	}
	defer f.Close()
	if err := checkPrivate(f); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cluster key: %w", err)
	}
	k, err := Parse(b)
	if errors.Is(err, ErrNotKey) {
		return nil, fmt.Errorf("%s: %w: copy it again from another node, all have the same", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

func checkPrivate(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cluster key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("cluster key: %s is not a file", f.Name())
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("cluster key: %s can be read by others (mode %04o): make it private with chmod 600 %s", f.Name(), mode, f.Name())
	}
	return nil
}

// Encode returns the key as its file holds it.
func (k *Key) Encode() ([]byte, error) {
	f := keyFile{Note: note, Version: version, Master: k.operator.Master}
	for _, part := range []struct {
		to   *string
		pair nkeys.KeyPair
	}{{&f.Identity, k.operator.Identity}, {&f.Signing, k.operator.Signing}, {&f.System, k.operator.System}} {
		seed, err := part.pair.Seed()
		if err != nil {
			return nil, fmt.Errorf("encode cluster key: %w", err)
		}
		*part.to = string(seed)
	}
	var err error
	if f.Certificate, f.Key, err = k.authority.encode(); err != nil {
		return nil, fmt.Errorf("encode cluster key: %w", err)
	}
	f.Sum = f.sum()
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}

// Parse reads what Encode returns. The error wraps ErrNotKey unless a newer Millrace made the key.
func Parse(b []byte) (*Key, error) {
	f, err := parseFile(b)
	if err != nil {
		return nil, err
	}
	op, err := f.operator()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotKey, err)
	}
	a, err := parseAuthority(f.Certificate, f.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotKey, err)
	}
	return &Key{op, a}, nil
}

func parseFile(b []byte) (f keyFile, err error) {
	if len(b) > maxBytes {
		return f, fmt.Errorf("%w: it has more than %d bytes", ErrNotKey, maxBytes)
	}
	var head struct {
		Version int `json:"millraceClusterKey"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return f, fmt.Errorf("%w: %w", ErrNotKey, err)
	}
	if head.Version > version {
		return f, fmt.Errorf("cluster key of version %d, this Millrace knows %d: upgrade this node", head.Version, version)
	}
	d := json.NewDecoder(bytes.NewReader(b)) // Unmarshal has seen that nothing follows
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, fmt.Errorf("%w: %w", ErrNotKey, err)
	}
	if f.Version != version || f.Sum != f.sum() {
		return f, fmt.Errorf("%w: its check sum is another", ErrNotKey)
	}
	return f, nil
}

func (f keyFile) operator() (op Operator, err error) {
	if len(f.Master) != masterBytes {
		return op, fmt.Errorf("the master secret has %d bytes", len(f.Master))
	}
	op.Master = f.Master
	for _, part := range []struct {
		name   string
		seed   string
		prefix nkeys.PrefixByte
		to     *nkeys.KeyPair
	}{
		{"operator's identity", f.Identity, nkeys.PrefixByteOperator, &op.Identity},
		{"operator's signing key", f.Signing, nkeys.PrefixByteOperator, &op.Signing},
		{"system account's key", f.System, nkeys.PrefixByteAccount, &op.System},
	} {
		prefix, _, err := nkeys.DecodeSeed([]byte(part.seed))
		if err == nil && prefix != part.prefix {
			err = errors.New("is of another kind")
		}
		if err == nil {
			*part.to, err = nkeys.FromSeed([]byte(part.seed))
		}
		if err != nil {
			return op, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return op, nil
}
