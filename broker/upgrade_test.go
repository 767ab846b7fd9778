package broker_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/millrace/millrace/broker"
)

// TestRecordsOfOtherVersionsAreRead has the registry hold what another version has written: records of
// today's form, kept as they were, with a field that nobody knows here. An older version has written
// them, or one that is newer while nodes are upgraded one by one. Forms only grow; the records in testdata are not
// changed when they do.
func TestRecordsOfOtherVersionsAreRead(t *testing.T) {
	b, _ := start(t, broker.Config{})
	records := map[string]map[string]any{}
	decodeFile(t, "testdata/records.json", &records)
	for _, key := range slices.Sorted(maps.Keys(records)) {
		record := records[key]
		record["ofALaterVersion"] = map[string]any{"a": []int{1}}
		text, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		b.PutRecord(within(t), t, key, string(text))
	}
	v, err := b.View(within(t), "acme")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	decodeFile(t, "testdata/view.json", &want)
	holds(t, "view", got, want)
	p := publish(t, b, "acme", "a", "1")
	if got := datas(take(t, subscribe(t, b, "acme", broker.From{Earliest: true}, "a"), 1)); got != "1" || p.Seq != 1 {
		t.Errorf("its history brings %s", got)
	}
}

// holds tells what of want is not in got. What else is in got, later versions have added.
func holds(t *testing.T, at string, got, want any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		has, _ := got.(map[string]any)
		for name, value := range want {
			holds(t, at+"."+name, has[name], value)
		}
	case []any:
		has, _ := got.([]any)
		if len(has) != len(want) {
			t.Errorf("%s has %d of %d", at, len(has), len(want))
			return
		}
		for i := range want {
			holds(t, fmt.Sprintf("%s[%d]", at, i), has[i], want[i])
		}
	default:
		if got != want {
			t.Errorf("%s is %v, want %v", at, got, want)
		}
	}
}

func decodeFile(t *testing.T, path string, to any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}
