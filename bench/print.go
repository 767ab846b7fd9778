package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Print writes the report for people: a table, and a histogram of bars at most width characters
// long.
func (r Report) Print(w io.Writer, width int) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	if r.Viewers+r.Refused > 0 {
		row("viewers", "%s in %.4g s%s%s", count(r.Viewers), r.OpeningSeconds,
			unless(r.Refused == 0, "; %s refused: %s", count(r.Refused), r.Refusal),
			unless(r.Cut == 0, "; %s cut: %s", count(r.Cut), r.CutBy))
		if r.Resumed > 0 {
			row("resumed", "%s times", count(r.Resumed))
		}
	}
	if r.Published+r.PublishErrors > 0 {
		row("published", "%s of %d bytes, %s a second%s", count(r.Published), r.PayloadBytes, count(int64(r.PublishesPerSecond)),
			unless(r.PublishErrors == 0, "; %s not acknowledged: %s", count(r.PublishErrors), r.PublishError))
	}
	if r.Expected > 0 {
		row("delivered", "%s in %.4g s, %s a second", count(r.Delivered), r.Seconds, count(int64(r.DeliveriesPerSecond)))
		row("lost", "%s", count(r.Lost))
		row("repeated", "%s", count(r.Repeated))
		row("out of order", "%s", count(r.OutOfOrder))
	}
	r.printTimes(row)
	r.printCosts(row)
	if err := table.Flush(); err != nil {
		return err
	}
	return r.printHistogram(w, width)
}

func (r Report) printTimes(row func(name, format string, args ...any)) {
	for _, times := range []struct {
		name string
		*Quantiles
	}{{"latency", r.Latency}, {"acknowledged", r.Acknowledged}, {"a viewer had all", r.Completed}} {
		if q := times.Quantiles; q != nil {
			row(times.name, "p50 %.4g ms, p90 %.4g, p99 %.4g, p99.9 %.4g, longest %.4g", q.P50, q.P90, q.P99, q.P999, q.Max)
		}
	}
}

func (r Report) printCosts(row func(name, format string, args ...any)) {
	for _, end := range []struct {
		name string
		*Cost
	}{{"server", r.Server}, {"generator", r.Generator}} {
		c := end.Cost
		if c == nil {
			continue
		}
		row(end.name+" CPU", "%.4g s%s", c.CPUSeconds, unless(c.CPUPerMillion == 0, ", %.4g s a million deliveries", c.CPUPerMillion))
		if c.EndBytes > 0 {
			row(end.name+" memory", "%s at the end%s", megabytes(c.EndBytes),
				unless(c.FullBytes == 0, ", %s empty, %s with all viewers: %s bytes a viewer", megabytes(c.EmptyBytes), megabytes(c.FullBytes), count(c.BytesPerViewer)))
		}
	}
}

func (r Report) printHistogram(w io.Writer, width int) error {
	if len(r.Histogram) == 0 {
		return nil
	}
	highest := int64(0)
	for _, b := range r.Histogram {
		highest = max(highest, b.Count)
	}
	var text strings.Builder
	text.WriteByte('\n')
	for _, b := range r.Histogram {
		bar := int(int64(max(width-30, 10)) * b.Count / highest)
		if b.Count > 0 && bar == 0 {
			bar = 1
		}
		text.WriteString(strings.TrimRight(fmt.Sprintf("  to %7s ms %12s  %s", strconv.FormatFloat(b.UpTo, 'f', -1, 64), count(b.Count), strings.Repeat("█", bar)), " ") + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// unless is a text that is left out where nothing is to be said.
func unless(nothing bool, format string, args ...any) string {
	if nothing {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// count is n with a comma at each thousand.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
