package web

import "testing"

func TestDefaultViewersLeaveFilesForOthers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files uint64
		want  int
	}{
		{"not known", 0, 20_000},
		{"very few", 256, 128},
		{"few", 1024, 524},
		{"as many as machines for many have", 20_000, 19_500},
		{"many", 65_536, 64_226},
		{"no limit", 1 << 63, 100_000},
	} {
		if got := defaultViewers(tt.files); got != tt.want {
			t.Errorf("%s: %d viewers of %d files, want %d", tt.name, got, tt.files, tt.want)
		}
	}
}
