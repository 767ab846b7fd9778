package bench

import (
	"math"
	"time"
)

// Report is what a run saw. Times are seconds, but for those of Quantiles and Bar.
type Report struct {
	Mode         Mode `json:"mode"`
	PayloadBytes int  `json:"payloadBytes"`

	Viewers        int64   `json:"viewers"`          // that were opened
	Refused        int64   `json:"refused"`          // that were not
	Refusal        string  `json:"refusal,omitzero"` // why the last was not
	OpeningSeconds float64 `json:"openingSeconds"`
	Cut            int64   `json:"cut"`            // streams that the server ended or the network broke
	CutBy          string  `json:"cutBy,omitzero"` // how one of them ended

	Resumed int64 `json:"resumed"` // connections that began behind the last event of the one before

	Seconds       float64 `json:"seconds"` // of all that follows
	Published     int64   `json:"published"`
	PublishErrors int64   `json:"publishErrors"` // events that were not acknowledged
	PublishError  string  `json:"publishError,omitzero"`

	Expected   int64 `json:"expected"`  // deliveries: what was acknowledged, to each viewer
	Delivered  int64 `json:"delivered"` // each event once a viewer
	Lost       int64 `json:"lost"`
	Repeated   int64 `json:"repeated"`
	OutOfOrder int64 `json:"outOfOrder"` // deliveries that came after a later event

	DeliveriesPerSecond float64 `json:"deliveriesPerSecond"`
	PublishesPerSecond  float64 `json:"publishesPerSecond"`
	BytesPerSecond      float64 `json:"bytesPerSecond"`

	Latency      *Quantiles `json:"latencyMs,omitempty"`      // from when an event was to be published until a viewer had it
	Acknowledged *Quantiles `json:"acknowledgedMs,omitempty"` // from publishing an event to its acknowledgement
	Completed    *Quantiles `json:"completedMs,omitempty"`    // in mode Replay: from connecting until a viewer had all
	Histogram    []Bar      `json:"histogram,omitempty"`      // of Latency, or of Completed

	Server    *Cost `json:"server,omitempty"`
	Generator *Cost `json:"generator,omitempty"`
}

// Cost is what a run cost one end.
type Cost struct {
	CPUSeconds    float64 `json:"cpuSeconds"`
	CPUPerMillion float64 `json:"cpuSecondsPerMillion,omitzero"` // deliveries

	EmptyBytes     int64 `json:"emptyBytes,omitzero"` // of memory before the viewers came
	FullBytes      int64 `json:"fullBytes,omitzero"`  // with all viewers, before anything was published
	EndBytes       int64 `json:"endBytes,omitzero"`
	BytesPerViewer int64 `json:"bytesPerViewer,omitzero"`
}

// report is called once all that the run started has ended.
func (r *run) report() Report {
	seen, acknowledged := newTally(), newLatencies()
	for _, t := range r.crowd.tallies {
		seen.add(t)
	}
	for _, l := range r.acknowledged {
		acknowledged.add(l)
	}
	out := Report{
		Mode: r.Mode, PayloadBytes: r.PayloadBytes,
		Viewers: r.crowd.opened.Load(), Refused: r.crowd.refused.Load(), Refusal: text(r.crowd.why),
		OpeningSeconds: seconds(r.openingTook), Cut: seen.cut, CutBy: text(seen.cutBy), Resumed: seen.resumed,
		Seconds: seconds(r.spent), Published: r.published.Load(), PublishErrors: r.failures, PublishError: text(r.why),
		Delivered: seen.delivered.Load(), Repeated: seen.repeated, OutOfOrder: seen.late,
		Acknowledged: acknowledged.quantiles(), Completed: seen.completed.quantiles(), Histogram: seen.completed.bars(),
	}
	out.Expected = out.Published * out.Viewers
	out.Lost = max(out.Expected-out.Delivered, 0)
	if s := out.Seconds; s > 0 && out.Delivered > 0 {
		out.DeliveriesPerSecond = round(float64(out.Delivered) / s)
		out.BytesPerSecond = round(float64(seen.bytes) / s)
	}
	if publishing := seconds(r.publishedUntil.Load() - r.publishFrom); publishing > 0 {
		out.PublishesPerSecond = round(float64(out.Published) / publishing)
	}
	if r.Mode != Replay { // its events were published long before
		out.Latency, out.Histogram = seen.latency.quantiles(), seen.latency.bars()
	}
	out.Server, out.Generator = r.serverCost(out.Delivered), r.generatorCost(out.Delivered)
	return out
}

func (r *run) serverCost(delivered int64) *Cost {
	if !r.from.known || !r.to.known {
		return nil
	}
	c := cost(r.to.CPU-r.from.CPU, delivered)
	c.EndBytes = r.to.Memory
	if viewers := r.crowd.opened.Load(); r.empty.known && r.full.known && viewers > 0 {
		c.EmptyBytes, c.FullBytes = r.empty.Memory, r.full.Memory
		c.BytesPerViewer = (r.full.Memory - r.empty.Memory) / viewers
	}
	return &c
}

func (r *run) generatorCost(delivered int64) *Cost {
	if r.GeneratorCPU == nil {
		return nil
	}
	c := cost(r.cpuTo-r.cpuFrom, delivered)
	return &c
}

func cost(cpu time.Duration, delivered int64) Cost {
	c := Cost{CPUSeconds: round(cpu.Seconds())}
	if delivered > 0 {
		c.CPUPerMillion = round(cpu.Seconds() / float64(delivered) * 1e6)
	}
	return c
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func seconds(ns int64) float64 { return round(time.Duration(max(ns, 0)).Seconds()) }

// round leaves four digits: no figure of a run means more.
func round(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
