package broker

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// operator holds the keys that everything else is derived from or signed with. Every node of a
// cluster has the same. That of an external NATS has no identity, system and claims.
type operator struct {
	identity nkeys.KeyPair
	signing  nkeys.KeyPair
	system   nkeys.KeyPair // of the system account
	master   []byte        // accounts' keys are derived from it, so that no seed is in the registry
	claims   *jwt.OperatorClaims
	strict   bool // users are signed by signing keys of their accounts only
}

// operatorFile is the operator as it is on disk.
type operatorFile struct {
	Identity string `json:"identity"`
	Signing  string `json:"signing"`
	System   string `json:"system"`
	Master   []byte `json:"master"`
}

// operatorName is the file of a node that is alone.
const operatorName = "operator.json"

// operator returns that of the cluster, of an external NATS, or of the data folder.
func (c Config) operator() (*operator, error) {
	if c.NATS != nil {
		return c.NATS.operator()
	}
	if c.Cluster == nil {
		return openOperator(filepath.Join(c.Dir, operatorName))
	}
	shared := c.Cluster.Key.Operator()
	op := &operator{identity: shared.Identity, signing: shared.Signing, system: shared.System, master: shared.Master}
	if err := op.encode(); err != nil {
		return nil, fmt.Errorf("operator keys of the cluster: %w", err)
	}
	return op, nil
}

// openOperator reads the keys from path, or makes them if there is no such file.
func openOperator(path string) (*operator, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if b, err = newOperatorFile(); err == nil {
			err = writeFile(path, b)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("operator keys: %w", err)
	}
	op, err := parseOperator(b)
	if err != nil {
		return nil, fmt.Errorf("operator keys in %s: %w", path, err)
	}
	return op, nil
}

func newOperatorFile() ([]byte, error) {
	f := operatorFile{Master: make([]byte, 32)}
	rand.Read(f.Master)
	for _, key := range []struct {
		to   *string
		make func() (nkeys.KeyPair, error)
	}{{&f.Identity, nkeys.CreateOperator}, {&f.Signing, nkeys.CreateOperator}, {&f.System, nkeys.CreateAccount}} {
		kp, err := key.make()
		if err != nil {
			return nil, err
		}
		seed, err := kp.Seed()
		if err != nil {
			return nil, err
		}
		*key.to = string(seed)
	}
	return json.Marshal(f)
}

func parseOperator(b []byte) (*operator, error) {
	var f operatorFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	if len(f.Master) != 32 {
		return nil, errors.New("the master secret is not 32 bytes long")
	}
	op := &operator{master: f.Master}
	for seed, to := range map[string]*nkeys.KeyPair{f.Identity: &op.identity, f.Signing: &op.signing, f.System: &op.system} {
		kp, err := nkeys.FromSeed([]byte(seed))
		if err != nil {
			return nil, err
		}
		*to = kp
	}
	return op, op.encode()
}

// encode makes the operator's claims; the server wants them decoded from their signed form.
func (op *operator) encode() error {
	id, err := op.identity.PublicKey()
	if err != nil {
		return err
	}
	signing, err := op.signing.PublicKey()
	if err != nil {
		return err
	}
	claims := jwt.NewOperatorClaims(id)
	claims.Name = "millrace"
	claims.SigningKeys.Add(signing)
	if claims.SystemAccount, err = op.system.PublicKey(); err != nil {
		return err
	}
	token, err := claims.Encode(op.identity)
	if err != nil {
		return err
	}
	op.claims, err = jwt.DecodeOperatorClaims(token)
	return err
}

// accountKey derives the key pair of the account for id.
func (op *operator) accountKey(id string) (nkeys.KeyPair, error) {
	seed, err := op.derive("millrace account " + id)
	if err != nil {
		return nil, err
	}
	return nkeys.FromRawSeed(nkeys.PrefixByteAccount, seed)
}

// derive returns the 32 bytes that the master secret gives for purpose.
func (op *operator) derive(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, op.master, nil, purpose, 32)
}

// writeFile writes b to a file that only its owner can read, and that is there whole or not at all.
func writeFile(path string, b []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
