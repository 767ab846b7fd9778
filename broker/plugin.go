package broker

import "time"

// Plugin is a name with its versions, newest first.
type Plugin struct {
	Name     string          `json:"name"`
	Versions []PluginVersion `json:"versions"`
}

// PluginVersion is one uploaded module. The bytes are in the plugin store, by digest.
type PluginVersion struct {
	Name     string    `json:"name"`
	Version  int       `json:"version"` // from 1; a version that was deleted is not given again
	Digest   string    `json:"digest"`  // sha256: and hex
	Size     int       `json:"size"`    // bytes
	Exports  []string  `json:"exports"` // callbacks
	Imports  []string  `json:"imports"` // host functions
	Language string    `json:"language"`
	Created  time.Time `json:"created"`
}
