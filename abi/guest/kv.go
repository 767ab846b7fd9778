package guest

import (
	"time"

	"github.com/millrace/millrace/abi/guest/internal/imports"
)

// KV is the tenant's key-value store. Keys have at most abi.MaxKeyBytes.
type KV struct {
	e *Emitter
}

// Get returns the value of key, or abi.NotFound.
func (kv KV) Get(key string) ([]byte, error) {
	value, err := kv.e.read(func(buf []byte) int32 { return imports.KVGet(key, buf) })
	return append([]byte(nil), value...), err
}

// Put sets key to value, which becomes text as the data of an Event does but may be any bytes. It
// is forgotten after ttl, in whole milliseconds, rounded up; 0 keeps it.
func (kv KV) Put(key string, value any, ttl time.Duration) error {
	data, err := text(value)
	if err != nil {
		return err
	}
	return check(imports.KVPut(key, data, max(0, millis(ttl))))
}

// Delete removes key. That it was not there is no error.
func (kv KV) Delete(key string) error {
	return check(imports.KVDelete(key))
}
