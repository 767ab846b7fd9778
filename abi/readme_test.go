package abi_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
)

// TestReadmeTellsTheContract holds the page for plugin authors to the code.
func TestReadmeTellsTheContract(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	wants := []string{
		fmt.Sprintf("imported from `%s`", abi.Module), "`" + abi.WASI + "`", "`" + abi.Memory + "`", "`" + abi.Initialize + "`",
		fmt.Sprintf("a header of %d bytes", abi.RecordHeader),
		fmt.Sprintf("| module | %d MiB |", abi.MaxModuleBytes>>20),
		fmt.Sprintf("| linear memory of an instance | %d MiB |", abi.MaxMemoryBytes>>20),
		fmt.Sprintf("| data of one event, a comment, a value | %d MiB |", abi.MaxSendBytes>>20),
		fmt.Sprintf("| event name, id | %d bytes |", abi.MaxNameBytes),
		fmt.Sprintf("| key, subject | %d bytes |", abi.MaxKeyBytes),
		fmt.Sprintf("returns %d to drop the event", abi.EventDrop), fmt.Sprintf("or %d to have the event follow", abi.EventPass),
		fmt.Sprintf("returns %d to leave it", abi.RetryDecide), fmt.Sprintf("%d to stop the source", abi.RetryStop),
		fmt.Sprintf("| remote streams that a callback holds open | %d |", abi.MaxRemotes),
		fmt.Sprintf("%d is debug, %d information, %d a warning, %d an error", abi.LogDebug, abi.LogInfo, abi.LogWarn, abi.LogError),
	}
	for _, f := range abi.Functions {
		wants = append(wants, "\n"+f.String()+"\n", "\n| `"+f.Name+"` |")
	}
	for _, callback := range abi.Callbacks {
		wants = append(wants, "\n| `"+callback+"` |")
	}
	for _, document := range []any{abi.OpenRequest{}, abi.Response{}} {
		for f := range reflect.TypeOf(document).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			wants = append(wants, "`"+name+"`")
		}
	}
	for name, status := range map[string]abi.Status{
		"OK": abi.OK, "CLOSED": abi.Closed, "TIMEOUT": abi.Timeout, "TOO_BIG": abi.TooBig, "INVALID": abi.Invalid,
		"LIMIT": abi.Limit, "DENIED": abi.Denied, "NOT_FOUND": abi.NotFound, "UNAVAILABLE": abi.Unavailable,
	} {
		wants = append(wants, fmt.Sprintf("\n| `%s` | %d |", name, status))
	}
	for _, want := range wants {
		if !strings.Contains(string(page), want) {
			t.Errorf("README.md does not have %q", want)
		}
	}
}
