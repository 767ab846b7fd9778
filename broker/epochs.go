package broker

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/millrace/millrace/broker/backup"
)

// A history that is restored gets an epoch of its own, since what is stored in it from now on is not
// what the old one may have stored at the same sequences. Ids of the old one stay good up to where the
// backup ends; any later one is from a future that this history does not have.
const pastKey = "millrace_past"

// maxPast bounds how many epochs of before a history knows. Ids of older ones are not.
const maxPast = 32

// checkHistory returns an *InvalidError for what no history can be.
func checkHistory(h *backup.History) error {
	if h == nil {
		return nil
	}
	for _, past := range append([]backup.Prefix{{Epoch: h.Epoch, Last: h.Last}}, h.Past...) {
		if past.Epoch == "" || len(past.Epoch) > 64 || strings.Contains(past.Epoch, "-") {
			return invalid("history", "has the epoch %q", past.Epoch)
		}
	}
	if h.First < 1 || h.First-1 > h.Last || h.Last == math.MaxUint64 || len(h.Past) > maxPast {
		return invalid("history", "reaches from %d to %d with %d epochs", h.First, h.Last, len(h.Past))
	}
	return nil
}

// pastOf is the metadata of a history that is restored from h.
func pastOf(h *backup.History) (map[string]string, error) {
	past := append([]backup.Prefix{{Epoch: h.Epoch, Last: h.Last}}, h.Past...)
	b, err := json.Marshal(past[:min(len(past), maxPast)])
	return map[string]string{epochKey: newEpoch(), pastKey: string(b)}, err
}

func newEpoch() string { return randomID()[:12] }

func parsePast(text string) (past []backup.Prefix, err error) {
	if text == "" {
		return nil, nil
	}
	err = json.Unmarshal([]byte(text), &past)
	return past, err
}

// current is p as a position of the history's own epoch; false if it is none that the history gave
// or was restored with.
func (h *history) current(p Position) (Position, bool) {
	if p.Epoch == h.epoch {
		return p, true
	}
	for _, past := range h.past {
		if p.Epoch == past.Epoch && p.Seq <= past.Last {
			p.Epoch = h.epoch
			return p, true
		}
	}
	return p, false
}
