package host

import (
	"bytes"
	"unicode/utf8"

	"github.com/millrace/millrace/abi"
)

// publish implements publish(subject, data, event, id) -> status. Like the key-value functions it
// works until the guest is stopped, so that one whose stream is over can still save where it was.
func publish(c *call, a args) int64 {
	subject := a.bytes(0)
	e, err := newEvent(a.bytes(2), a.bytes(4), a.bytes(6), c.host.config.SendBytes)
	if err == nil {
		err = checkKey(subject)
	}
	if err == nil {
		err = available(c)
	}
	if err == nil {
		err = c.store(len(e.Data))
	}
	if err == nil {
		err = c.session.Services.Publish(c.stopping(), string(subject), e)
	}
	return status(err)
}

// kvGet implements kvGet(key, buffer) -> n or status. A value that does not fit is kept, so that the
// next call with its key gets that same value.
func kvGet(c *call, a args) int64 {
	key := a.bytes(0)
	a.buffer(2)
	if err := checkStored(key); err != nil {
		return status(err)
	}
	value, err := c.get(string(key))
	if err != nil {
		return status(err)
	}
	n, taken := a.fill(2, value)
	if taken {
		c.value = nil
	}
	return n
}

func (c *call) get(key string) ([]byte, error) {
	if c.value != nil && c.value.key == key {
		return c.value.value, nil
	}
	if err := available(c); err != nil {
		return nil, err
	}
	c.value = nil
	value, err := c.session.Services.KVGet(c.stopping(), key)
	if err != nil {
		return nil, err
	}
	if len(value) > c.host.config.SendBytes {
		return nil, abi.TooBig
	}
	c.value = &entry{key, value}
	return value, nil
}

// kvPut implements kvPut(key, value, ttl) -> status. A ttl of 0 keeps, below 0 is invalid.
func kvPut(c *call, a args) int64 {
	key, value, ttl := a.bytes(0), a.bytes(2), a.i64(4)
	switch {
	case len(value) > c.host.config.SendBytes:
		return status(abi.TooBig)
	case ttl < 0:
		return status(abi.Invalid)
	}
	if err := checkStored(key); err != nil {
		return status(err)
	}
	if err := available(c); err != nil {
		return status(err)
	}
	if !c.instance.puts.Allow() {
		return status(abi.Limit)
	}
	if err := c.store(len(value)); err != nil {
		return status(err)
	}
	c.forget(string(key))
	return status(c.session.Services.KVPut(c.stopping(), string(key), bytes.Clone(value), milliseconds(ttl)))
}

// kvDelete implements kvDelete(key) -> status.
func kvDelete(c *call, a args) int64 {
	key := a.bytes(0)
	if err := checkStored(key); err != nil {
		return status(err)
	}
	if err := available(c); err != nil {
		return status(err)
	}
	c.forget(string(key))
	return status(c.session.Services.KVDelete(c.stopping(), string(key)))
}

// store counts bytes that are about to be stored for the tenant.
func (c *call) store(bytes int) error {
	if share := c.instance.share.Load(); share != nil {
		return share.store(bytes)
	}
	return nil
}

// forget drops a value kept for kvGet, since it changes.
func (c *call) forget(key string) {
	if c.value != nil && c.value.key == key {
		c.value = nil
	}
}

// checkKey bounds a key or subject. What else it may look like is the service's to say.
func checkKey(key []byte) error {
	switch {
	case len(key) > abi.MaxKeyBytes:
		return abi.TooBig
	case len(key) == 0, !utf8.Valid(key):
		return abi.Invalid
	}
	return nil
}

// checkStored bounds a key of the store. Those that begin with _ are the platform's, which keeps there
// how sources ended: a plugin could otherwise write that.
func checkStored(key []byte) error {
	if bytes.HasPrefix(key, []byte("_")) {
		return abi.Denied
	}
	return checkKey(key)
}

// available tells whether there are services, which may let the goroutine wait.
func available(c *call) error {
	if c.session.Services == nil {
		return abi.Unavailable
	}
	c.park()
	return nil
}
