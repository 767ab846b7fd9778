package web

import (
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/host"
)

// figures are what the packages count, at one moment.
type figures struct {
	web     Stats
	broker  broker.Stats
	host    host.Stats
	storage broker.StorageStats
	sources int

	ready, draining bool
	apart, offset   time.Duration
}

// number is a truth as metrics have it.
func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// nodeFigures are the metrics of a node, without their prefix. Those that end with _total only grow.
var nodeFigures = []struct {
	name, help string
	value      func(f *figures) float64
}{
	{"viewers", "Streams open now.", func(f *figures) float64 { return float64(f.web.Viewers) }},
	{"frames_delivered_total", "Frames written to viewers.", func(f *figures) float64 { return float64(f.web.Delivered) }},
	{"viewer_writes_total", "Writes that carried them, or keep-alives.", func(f *figures) float64 { return float64(f.web.Writes) }},
	{"viewers_cut_total", "Viewers that were cut since they were too slow.", func(f *figures) float64 { return float64(f.web.Cut) }},
	{"viewer_ring_bytes", "Recent frames in memory, for all viewers together.", func(f *figures) float64 { return float64(f.web.RingBytes) }},
	{"viewer_held_bytes", "Large frames in memory for viewers in the midst of them.", func(f *figures) float64 { return float64(f.web.HeldBytes) }},
	{"events_published_total", "Events acknowledged to publishers over HTTP.", func(f *figures) float64 { return float64(f.web.Published) }},
	{"sources", "Sources that this node knows of, those that are done or failed among them.", func(f *figures) float64 { return float64(f.sources) }},
	{"sources_running", "Sources that have a place on this node now.", func(f *figures) float64 { return float64(f.web.Sources) }},
	{"plugin_remotes", "Remote streams that plugins have open now.", func(f *figures) float64 { return float64(f.web.Remotes) }},

	{"plugin_instances", "Plugin instances that live now, the idle ones among them.", func(f *figures) float64 { return float64(f.host.Instances) }},
	{"plugin_modules", "Plugin modules that are compiled and in use now.", func(f *figures) float64 { return float64(f.host.Modules) }},
	{"plugin_modules_loaded", "Plugin modules whose code is in memory now.", func(f *figures) float64 { return float64(f.host.Loaded) }},
	{"plugin_code_bytes", "About what their code takes.", func(f *figures) float64 { return float64(f.host.LoadedBytes) }},
	{"plugin_code_limit_bytes", "How much that may be; open streams may hold more.", func(f *figures) float64 { return float64(f.host.CodeBytes) }},
	{"plugin_instances_started_total", "Plugin instances started.", func(f *figures) float64 { return float64(f.host.Started) }},
	{"plugin_streams_total", "onStream callbacks that ran.", func(f *figures) float64 { return float64(f.host.Streams) }},
	{"plugin_calls_total", "Calls of the callbacks that do not last.", func(f *figures) float64 { return float64(f.host.Events) }},
	{"plugin_traps_total", "Callbacks that were stopped by a fault or a limit.", func(f *figures) float64 { return float64(f.host.Traps) }},
	{"plugin_log_lines_dropped_total", "Lines of plugins' logs beyond their rate.", func(f *figures) float64 { return float64(f.host.DroppedLines) }},

	{"events_stored_total", "Events that this node has stored.", func(f *figures) float64 { return float64(f.broker.Published) }},
	{"events_replayed_total", "Events read from history for streams.", func(f *figures) float64 { return float64(f.broker.Replayed) }},
	{"history_reads_total", "Readings of history.", func(f *figures) float64 { return float64(f.broker.Reads) }},
	{"hub_gaps_total", "Times that a hub missed live events.", func(f *figures) float64 { return float64(f.broker.Gaps) }},
	{"hub_filled_events_total", "Events that hubs read from history for that.", func(f *figures) float64 { return float64(f.broker.Filled) }},
	{"hubs", "Hubs that run now.", func(f *figures) float64 { return float64(f.broker.Hubs) }},
	{"tenants", "Tenants in the registry.", func(f *figures) float64 { return float64(f.broker.Tenants) }},
	{"tenants_connected", "Tenants with a connection to storage now.", func(f *figures) float64 { return float64(f.broker.Links) }},
	{"cluster_nodes", "Nodes of the cluster that live, as far as this one sees.", func(f *figures) float64 { return float64(f.broker.Nodes) }},
	{"leases_held", "Leases that this node holds, such as those of its sources.", func(f *figures) float64 { return float64(f.broker.Held) }},
	{"ready", "1 while this node is ready, as /readyz says.", func(f *figures) float64 { return number(f.ready) }},
	{"draining", "1 while this node drains.", func(f *figures) float64 { return number(f.draining) }},
	{"apart_seconds", "How long this node has been without most of the others.", func(f *figures) float64 { return f.apart.Seconds() }},
	{"clock_offset_seconds", "By how much most nodes' clocks are ahead of this one's.", func(f *figures) float64 { return f.offset.Seconds() }},
	{"meta_leader", "1 if this node leads the group of those that keep data.", func(f *figures) float64 { return number(f.storage.Leader) }},
	{"stream_copies", "Streams and key-value stores that this node has a copy of.", func(f *figures) float64 { return float64(f.storage.Copies) }},
	{"streams_led", "Of those, the ones whose leader this node's copy is.", func(f *figures) float64 { return float64(f.storage.Led) }},
	{"copies_behind", "Copies on this node that are not current.", func(f *figures) float64 { return float64(f.broker.Behind) }},
	{"storage_bytes", "Bytes of all copies on this node.", func(f *figures) float64 { return float64(f.storage.Bytes) }},
	{"history_bytes", "Bytes of the histories that this node leads, of all tenants.", func(f *figures) float64 { return float64(f.storage.HistoryBytes) }},
	{"history_events", "Events in the histories that this node leads, of all tenants.", func(f *figures) float64 { return float64(f.storage.HistoryEvents) }},
	{"hub_lag_events", "By how many events the hub is behind that is the furthest behind what it knows to be stored.", func(f *figures) float64 { return float64(f.broker.LagEvents) }},
	{"hub_lag_seconds", "For how long a hub has been behind what it knows to be stored.", func(f *figures) float64 { return f.broker.Lag.Seconds() }},
	{"subscriptions", "Subscriptions to history that are open now.", func(f *figures) float64 { return float64(f.broker.Subscriptions) }},
}

// sourceFigures are the metrics of a source, without their prefix.
var sourceFigures = []struct {
	name, help string
	value      func(s *source.Status) float64
}{
	{"events_total", "Events received and taken care of.", func(s *source.Status) float64 { return float64(s.Events) }},
	{"stored_total", "Events stored in history.", func(s *source.Status) float64 { return float64(s.Stored) }},
	{"dropped_total", "Events that could not be stored, or whose callback failed.", func(s *source.Status) float64 { return float64(s.Dropped) }},
	{"bytes_total", "Bytes received, decoded.", func(s *source.Status) float64 { return float64(s.Bytes) }},
	{"connections_total", "Requests sent, successful or not.", func(s *source.Status) float64 { return float64(s.Connections) }},
	{"attempts", "Attempts in a row without an event.", func(s *source.Status) float64 { return float64(s.Attempts) }},
	{"lag_seconds", "From receiving to having stored, for the oldest event of the last batch.", func(s *source.Status) float64 { return float64(s.LagMs) / 1000 }},
}
