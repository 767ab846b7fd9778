package broker_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/broker"
)

// TestWhatIsNotSettledIsUnavailable has the server bar a message to the end of its time, as it does
// while a node is cut off: the caller may come again with its key.
func TestWhatIsNotSettledIsUnavailable(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	for _, tt := range []struct {
		name string
		code jetstream.ErrorCode
		want bool
	}{
		{"an id whose first message is in process", 10158, true},
		{"too many batches", 10210, true},
		{"a batch with an id that is in process", 10201, true},
		{"a message that is too big for the stream", 10054, false},
	} {
		err := b.Failed(within(t), t, "acme", &jetstream.APIError{Code: 409, ErrorCode: tt.code, Description: tt.name})
		if errors.Is(err, broker.ErrUnavailable) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
