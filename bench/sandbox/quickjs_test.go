package sandbox_test

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// quickJS returns QuickJS with a script, built by guests/js/build.sh.
func quickJS(b *testing.B) []byte {
	b.Helper()
	file := os.Getenv("QUICKJS_WASM")
	if file == "" {
		b.Skip("set QUICKJS_WASM to the file that guests/js/build.sh made")
	}
	module, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	return module
}

// BenchmarkQuickJS runs functions in JavaScript: a tight loop, and reading and writing JSON. It
// reports the first quartile without metering, and ratios to that.
func BenchmarkQuickJS(b *testing.B) {
	module := quickJS(b)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	config := wazero.NewRuntimeConfigCompiler()
	for _, work := range []struct {
		function string
		times    uint64
	}{{"loop", 5_000}, {"json", 50}} {
		b.Run(work.function, func(b *testing.B) {
			instances := []*bare{
				newBare(b, ctx, module, config),
				newBare(b, ctx, metered(b, module), config),
				newBare(b, ctx, module, config.WithCloseOnContextDone(true)),
			}
			var rounds [3][]time.Duration
			for b.Loop() {
				for i, w := range instances {
					start := time.Now()
					if _, err := w.module.ExportedFunction(work.function).Call(ctx, work.times); err != nil {
						b.Fatal(err)
					}
					rounds[i] = append(rounds[i], time.Since(start))
				}
			}
			for i := range rounds {
				slices.Sort(rounds[i])
			}
			plain := float64(rounds[0][len(rounds[0])/4])
			b.ReportMetric(0, "ns/op") // of all together: says nothing
			b.ReportMetric(plain/1e3, "plain-µs")
			b.ReportMetric(float64(rounds[1][len(rounds[1])/4])/plain, "metered/plain")
			b.ReportMetric(float64(rounds[2][len(rounds[2])/4])/plain, "context/plain")
		})
	}
}

// BenchmarkQuickJSEvent gives events of 200 bytes to a callback in JavaScript.
func BenchmarkQuickJSEvent(b *testing.B) {
	compare(b, quickJS(b), nil)
}
