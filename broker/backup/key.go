package backup

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
)

// minKeyBytes is of what a key is made from: what is shorter can be guessed.
const minKeyBytes = 32

// Key seals secrets in a file. It does not show itself in logs.
type Key struct{ b []byte }

// NewKey makes a key from what is in a key file: 32 bytes or more that nobody can guess.
func NewKey(content []byte) (*Key, error) {
	if len(content) < minKeyBytes {
		return nil, fmt.Errorf("a key of %d bytes is too short: it takes %d random ones or more", len(content), minKeyBytes)
	}
	b, err := hkdf.Key(sha256.New, content, nil, "millrace backup", 32)
	return &Key{b}, err
}

// ParseKey reads a key as Text writes it.
func ParseKey(text string) (*Key, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != 32 {
		return nil, errors.New("not a key of a backup")
	}
	return &Key{b}, nil
}

// Text is the key as a header carries it.
func (k *Key) Text() string { return base64.RawURLEncoding.EncodeToString(k.b) }

// String hides the key, as do the next two.
func (k *Key) String() string { return "key of a backup" }

// GoString hides the key.
func (k *Key) GoString() string { return k.String() }

// LogValue hides the key.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Check is what Fits compares: it tells nothing of the key.
func (k *Key) Check(section string) []byte {
	mac := hmac.New(sha256.New, k.b)
	mac.Write([]byte("key of section " + section))
	return mac.Sum(nil)[:16]
}

// Fits tells whether the secrets of a section were sealed with the key.
func (k *Key) Fits(t Tenant) bool { return hmac.Equal(k.Check(t.ID), t.KeyCheck) }

// Seal encrypts a secret of a section, so that it opens only in its place.
func (k *Key) Seal(section, name string, value []byte) ([]byte, error) {
	seal, err := k.sealer()
	if err != nil {
		return nil, err
	}
	return seal.Seal(nil, nil, value, []byte(section+"."+name)), nil
}

// Open is the other way of Seal.
func (k *Key) Open(section, name string, sealed []byte) ([]byte, error) {
	seal, err := k.sealer()
	if err != nil {
		return nil, err
	}
	value, err := seal.Open(nil, nil, sealed, []byte(section+"."+name))
	if err != nil {
		return nil, damaged("secret %s does not open", name)
	}
	return value, nil
}

func (k *Key) sealer() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.b)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
