//go:build !wasip1

package guesttest

import (
	"crypto/rand"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/abi"
)

// call is the host of one callback while it runs, an imports.Host.
type call struct {
	host    *Host
	request []byte
	events  []abi.Event // to be received
	brief   bool        // it may not wait: all but onStream
	mute    bool        // what it sends has nowhere to go
	remotes []*remote   // by handle, from 1
	end     time.Time   // when the viewer leaves
	result  Result
}

func (c *call) closed() bool {
	return c.result.Closed || !time.Now().Before(c.end)
}

func (c *call) Send(data, name, id string) int32 {
	e := abi.Event{Data: data, Name: name, ID: id}
	switch {
	case c.closed():
		return int32(abi.Closed)
	case c.mute:
		return int32(abi.Unavailable)
	}
	if err := e.Check(abi.MaxSendBytes); err != nil {
		return int32(abi.StatusOf(err))
	}
	c.result.Sent = append(c.result.Sent, e)
	return 0
}

func (c *call) Comment(text string) int32 {
	switch {
	case c.brief:
		return int32(abi.Unavailable)
	case c.closed():
		return int32(abi.Closed)
	case len(text) > abi.MaxSendBytes:
		return int32(abi.TooBig)
	case !utf8.ValidString(text):
		return int32(abi.Invalid)
	}
	c.result.Comments = append(c.result.Comments, text)
	return 0
}

func (c *call) Close() int32 {
	c.result.Closed = true
	return 0
}

func (c *call) IsClosed() int32 {
	if c.closed() {
		return 1
	}
	return 0
}

func (c *call) Sleep(ms int64) int32 {
	if c.brief {
		return int32(abi.Unavailable)
	}
	c.waitUntil(time.Now().Add(time.Duration(ms) * time.Millisecond))
	if c.closed() {
		return int32(abi.Closed)
	}
	return 0
}

// waitUntil waits, but not beyond the end of the stream.
func (c *call) waitUntil(t time.Time) {
	if c.result.Closed {
		return
	}
	if t.After(c.end) {
		t = c.end
	}
	time.Sleep(time.Until(t))
}

func (c *call) Receive(handle int32, buf []byte, timeoutMS int64) int32 {
	if handle != 0 {
		return c.receiveRemote(handle, buf, timeoutMS)
	}
	if len(c.events) == 0 {
		return int32(abi.Closed)
	}
	if !c.brief { // else the event is at hand, whatever its time
		if status := c.await(c.events[0].Time, timeoutMS); status != abi.OK {
			return int32(status)
		}
	}
	return take(&c.events, buf)
}

// take gives the first event, which it then is not any more, if buf has room for it.
func take(events *[]abi.Event, buf []byte) int32 {
	n := fill(buf, abi.AppendRecord(nil, &(*events)[0]))
	if int(n) <= len(buf) {
		*events = (*events)[1:]
	}
	return n
}

// await waits for an event that arrives at t.
func (c *call) await(t time.Time, timeoutMS int64) abi.Status {
	late := false
	if timeoutMS >= 0 {
		limit := time.Now().Add(time.Duration(timeoutMS) * time.Millisecond)
		if late = t.After(limit); late {
			t = limit
		}
	}
	c.waitUntil(t)
	switch {
	case c.closed():
		return abi.Closed
	case late:
		return abi.Timeout
	}
	return abi.OK
}

func (c *call) Request(buf []byte) int32 { return fill(buf, c.request) }

func (c *call) Body(buf []byte) int32 { return fill(buf, c.host.Body) }

func (c *call) Publish(subject, data, name, id string) int32 {
	e := abi.Event{Subject: subject, Data: data, Name: name, ID: id}
	if subject == "" || strings.ContainsAny(subject, "*> \t\r\n") {
		return int32(abi.Invalid)
	}
	if err := e.Check(abi.MaxSendBytes); err != nil {
		return int32(abi.StatusOf(err))
	}
	c.result.Published = append(c.result.Published, e)
	return 0
}

func (c *call) KVGet(key string, buf []byte) int32 {
	c.expire(key)
	value, ok := c.host.KV[key]
	if !ok {
		return int32(abi.NotFound)
	}
	return fill(buf, value)
}

func (c *call) KVPut(key, value string, ttlMS int64) int32 {
	switch {
	case key == "":
		return int32(abi.Invalid)
	case len(key) > abi.MaxKeyBytes || len(value) > abi.MaxSendBytes:
		return int32(abi.TooBig)
	}
	c.host.KV[key] = []byte(value)
	delete(c.host.expires, key)
	if ttlMS > 0 {
		c.host.expires[key] = time.Now().Add(time.Duration(ttlMS) * time.Millisecond)
	}
	return 0
}

func (c *call) KVDelete(key string) int32 {
	delete(c.host.KV, key)
	delete(c.host.expires, key)
	return 0
}

func (c *call) expire(key string) {
	if t, ok := c.host.expires[key]; ok && !time.Now().Before(t) {
		c.KVDelete(key)
	}
}

func (c *call) Log(level int32, text string) int32 {
	c.result.Log = append(c.result.Log, Line{level, text})
	return 0
}

func (c *call) Now() int64 { return time.Now().UnixMilli() }

func (c *call) Random(buf []byte) int32 {
	rand.Read(buf) // never fails
	return 0
}

// fill copies value if it fits, and returns its length.
func fill(buf, value []byte) int32 {
	if len(value) <= len(buf) {
		copy(buf, value)
	}
	return int32(len(value))
}
