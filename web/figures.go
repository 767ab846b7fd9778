package web

import (
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/host"
)

// figures are what the packages count, at one moment.
type figures struct {
	web     Stats
	broker  broker.Stats
	host    host.Stats
	sources int
}

// nodeFigures are the metrics of a node, without their prefix. Those that end with _total only grow.
var nodeFigures = []struct {
	name, help string
	value      func(f *figures) float64
}{
	{"viewers", "Streams open now.", func(f *figures) float64 { return float64(f.web.Viewers) }},
	{"frames_delivered_total", "Frames written to viewers.", func(f *figures) float64 { return float64(f.web.Delivered) }},
	{"events_published_total", "Events acknowledged to publishers over HTTP.", func(f *figures) float64 { return float64(f.web.Published) }},
	{"sources", "Sources that this node knows of, those that are done or failed among them.", func(f *figures) float64 { return float64(f.sources) }},
	{"sources_running", "Sources that have a place on this node now.", func(f *figures) float64 { return float64(f.web.Sources) }},
	{"plugin_remotes", "Remote streams that plugins have open now.", func(f *figures) float64 { return float64(f.web.Remotes) }},

	{"plugin_instances", "Plugin instances that live now, the idle ones among them.", func(f *figures) float64 { return float64(f.host.Instances) }},
	{"plugin_modules", "Plugin modules that are compiled and in use now.", func(f *figures) float64 { return float64(f.host.Modules) }},
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
