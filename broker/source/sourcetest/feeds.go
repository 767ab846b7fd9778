package sourcetest

import (
	"fmt"
	"strconv"

	"github.com/millrace/millrace/abi"
)

// feedStart is when the first event of a feed was made, in Unix seconds; the others follow at one
// second each.
const feedStart = 1700000000

// Quotes is n prices of three stocks, which rise and fall.
func Quotes(n int) []abi.Event {
	stocks := []struct {
		symbol string
		cents  int
	}{{"AAPL", 22800}, {"GOOGL", 17600}, {"MSFT", 43100}}
	events := make([]abi.Event, n)
	for i := range events {
		s := stocks[i%len(stocks)]
		price := float64(s.cents+i*37%211-105) / 100
		events[i] = abi.Event{Name: "quote", ID: strconv.Itoa(i + 1),
			Data: fmt.Sprintf(`{"symbol":%q,"price":%g,"timestamp":%d}`, s.symbol, price, (feedStart+i)*1000)}
	}
	return events
}

// Monitoring is n events of a monitoring service: metrics, now and then past their threshold, and
// every fifth time a heartbeat, every seventh an alert.
func Monitoring(n int) []abi.Event {
	events := make([]abi.Event, n)
	for i := range events {
		e := abi.Event{ID: strconv.Itoa(i + 1)}
		at := (feedStart + i) * 1000
		switch {
		case i%5 == 4:
			e.Name, e.Data = "heartbeat", fmt.Sprintf(`{"timestamp":%d}`, at)
		case i%7 == 6:
			e.Name, e.Data = "alert", fmt.Sprintf(`{"severity":"warning","message":"disk of weir-%d is nearly full","timestamp":%d}`, i%3+1, at)
		default:
			e.Name, e.Data = "metric", fmt.Sprintf(`{"name":"cpu","value":%d,"threshold":95,"tags":{"host":"weir-1"},"timestamp":%d}`, i*37%100, at)
		}
		events[i] = e
	}
	return events
}

// GitHub is n pushes to a repository, as GitHub's webhooks tell of them, every third to its main branch.
func GitHub(n int) []abi.Event {
	events := make([]abi.Event, n)
	for i := range events {
		branch := "fix/weir"
		if i%3 == 0 {
			branch = "main"
		}
		events[i] = abi.Event{Name: "push", ID: strconv.Itoa(i + 1), Data: fmt.Sprintf(
			`{"ref":"refs/heads/%s","after":"%040x","repository":{"full_name":"acme/mill"},"pusher":{"name":"miller"},"commits":[{"id":"%040x","message":"Mend the sluice"}]}`,
			branch, i+1, i+1)}
	}
	return events
}
