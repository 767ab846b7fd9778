// Package plugins lists the example plugins, one folder each: every example of the document that
// Millrace started from, of streams that are made and of streams that are read, and three callbacks
// that change events on their way. It says how each is served and what to try; building and deploying
// them is the demo's work. It imports nothing of Millrace, and the plugins themselves are programs of
// their own.
package plugins

// Example is one example plugin: the folder, the plugin and the route all have its name.
type Example struct {
	Name    string
	Route   string // the route as JSON, as PUT …/routes/{name} takes it
	Try     string // path and query to open below /t/{tenant}
	Subject string // for those that want an event to show something: publish Data here
	Data    string

	// Of those that read remote streams. Feed stands for the address of the remote.
	Source  string            // the source as JSON, as PUT …/sources/{name} takes it: it has the plugin, the route is a tail
	Secrets []string          // names of the secrets that are sent along; to the sample feed any value will do
	Keys    map[string]string // what the key-value store has to hold before
}

// Feed stands in an Example for the base URL of the sample feed that the demo runs.
const Feed = "{feed}"

// Examples lists the examples in the order in which they are best tried.
var Examples = []Example{
	{
		Name:  "basic",
		Route: `{"path": "/basic", "plugin": "basic", "access": "public"}`,
		Try:   "/basic",
	},
	{
		Name: "ai-tokens",
		Route: `{"path": "/ai-tokens", "plugin": "ai-tokens", "access": "public",
			"async": true, "keepAliveInterval": 30000, "timeout": 300000}`,
		Try: "/ai-tokens",
	},
	{
		Name:  "cors",
		Route: `{"path": "/cors", "plugin": "cors", "access": "public", "cors": "*"}`,
		Try:   "/cors",
	},
	{
		Name: "dashboard",
		Route: `{"path": "/dashboard", "plugin": "dashboard", "access": "public",
			"subjects": ["sys.metrics"], "async": true, "keepAliveInterval": 30000, "timeout": 3600000}`,
		Try: "/dashboard?every=1000",
	},
	{
		Name:  "progress",
		Route: `{"path": "/progress", "plugin": "progress", "access": "public", "async": true}`,
		Try:   "/progress?delay=500",
	},
	{
		Name: "logs",
		Route: `{"path": "/logs", "plugin": "logs", "access": "public",
			"subjects": ["sys.log"], "async": true, "keepAliveInterval": 15000}`,
		Try: "/logs?level=info",
	},
	{
		Name: "notifications",
		Route: `{"path": "/notifications/:user", "plugin": "notifications", "access": "public",
			"subjects": ["notifications.{user}"], "async": true, "keepAliveInterval": 30000}`,
		Try:     "/notifications/ada",
		Subject: "notifications.ada",
		Data:    `{"type": "mention", "title": "Bob mentioned you", "message": "See the second draft."}`,
	},
	{
		Name: "chat",
		Route: `{"path": "/chat", "plugin": "chat", "access": "public",
			"subjects": ["chat.>"], "async": true, "keepAliveInterval": 30000, "timeout": 7200000}`,
		Try:     "/chat?channels=general,random",
		Subject: "chat.general",
		Data:    `{"user": "ada", "text": "Good morning!"}`,
	},
	{
		Name: "stocks",
		Route: `{"path": "/stocks", "plugin": "stocks", "access": "public",
			"subjects": ["quotes.>"], "async": true, "keepAliveInterval": 30000}`,
		Try:     "/stocks?symbols=AAPL,GOOGL",
		Subject: "quotes.AAPL",
		Data:    `{"symbol": "AAPL", "price": 212.5, "open": 210}`,
	},
	{
		Name: "filter",
		Route: `{"path": "/filter", "plugin": "filter", "access": "public",
			"subjects": ["quotes.>"], "scope": "viewer"}`,
		Try:     "/filter?field=price&min=200",
		Subject: "quotes.AAPL",
		Data:    `{"symbol": "AAPL", "price": 212.5, "open": 210}`,
	},
	{
		Name:    "redact",
		Route:   `{"path": "/redact", "plugin": "redact", "access": "public", "subjects": ["chat.>"]}`,
		Try:     "/redact",
		Subject: "chat.general",
		Data:    `{"user": "bob", "text": "Card 4111 1111 1111 1111, mail bob@example.com"}`,
	},
	{
		Name:    "enrich",
		Route:   `{"path": "/enrich", "plugin": "enrich", "access": "public", "subjects": ["quotes.>"]}`,
		Try:     "/enrich",
		Subject: "quotes.AAPL",
		Data:    `{"symbol": "AAPL", "price": 212.5, "open": 210}`,
	},
	{
		Name: "ai-chat",
		Route: `{"path": "/ai-chat", "methods": ["GET", "POST"], "plugin": "ai-chat", "access": "public",
			"async": true, "keepAliveInterval": 30000, "timeout": 300000}`,
		Try:     "/ai-chat?prompt=What+does+a+river+remember",
		Secrets: []string{"openai"},
		Keys:    map[string]string{"ai-chat.url": Feed + "/v1/chat/completions?trickle=190&pause=80"},
	},
	{
		Name: "claude-chat",
		Route: `{"path": "/claude-chat", "methods": ["GET", "POST"], "plugin": "claude-chat", "access": "public",
			"async": true, "keepAliveInterval": 30000, "timeout": 300000}`,
		Try:     "/claude-chat?prompt=What+does+a+river+remember",
		Secrets: []string{"anthropic"},
		Keys:    map[string]string{"claude-chat.url": Feed + "/v1/messages?trickle=130&pause=80"},
	},
	{
		Name:  "wikimedia",
		Route: `{"path": "/wikimedia", "subjects": ["wiki.>"], "access": "public"}`,
		Try:   "/wikimedia",
		Source: `{"url": "{feed}/v2/stream/recentchange?n=1000&trickle=400&pause=500", "sse": true,
			"subject": "wiki.changes", "plugin": "wikimedia"}`,
	},
	{
		Name:  "stock-relay",
		Route: `{"path": "/stock-relay", "subjects": ["relay.>"], "access": "public"}`,
		Try:   "/stock-relay",
		Source: `{"url": "{feed}/quotes?n=1000&trickle=90&pause=500", "headers": {"Authorization": "Bearer {{secret.stocks}}"},
			"sse": true, "subject": "relay.{event}", "plugin": "stock-relay"}`,
		Secrets: []string{"stocks"},
	},
	{
		Name:  "monitoring",
		Route: `{"path": "/monitoring", "subjects": ["monitoring.>", "alerts"], "access": "public"}`,
		Try:   "/monitoring",
		Source: `{"url": "{feed}/monitoring?n=1000&trickle=150&pause=500", "headers": {"X-API-Key": "{{secret.monitoring}}"},
			"sse": true, "subject": "monitoring.{event}", "events": ["metric", "alert", "heartbeat"], "plugin": "monitoring",
			"idleTimeout": 60000}`,
		Secrets: []string{"monitoring"},
	},
	{
		Name:  "github-events",
		Route: `{"path": "/github-events", "subjects": ["github.>", "builds"], "access": "public"}`,
		Try:   "/github-events",
		Source: `{"url": "{feed}/github?n=1000&trickle=300&pause=500", "headers": {"Authorization": "Bearer {{secret.github}}"},
			"sse": true, "subject": "github.{event}", "plugin": "github-events"}`,
		Secrets: []string{"github"},
	},
}
