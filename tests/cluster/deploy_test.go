package cluster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/millrace/millrace/tests/cluster"
)

// compose is what is looked at of docker-compose.yml.
type compose struct {
	Services map[string]service
}

type service struct {
	User            string
	Hostname        string
	Command         []string
	Volumes         []string
	Ports           []string
	ReadOnly        bool     `yaml:"read_only"`
	Drop            []string `yaml:"cap_drop"`
	Security        []string `yaml:"security_opt"`
	StopGracePeriod string   `yaml:"stop_grace_period"`
}

const deployFolder = "../../deploy"

func readCompose(t *testing.T) compose {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(deployFolder, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestComposeRunsWhatTheTestsRun holds the flags of docker-compose.yml against those that these tests
// give to the same program.
func TestComposeRunsWhatTheTestsRun(t *testing.T) {
	c := readCompose(t)
	names := []string{"n1", "n2", "n3"}
	var all []string
	for _, name := range names {
		all = append(all, name+":6222")
	}
	for _, name := range names {
		s := c.Services[name]
		want := cluster.Setting{
			Node: name, Listen: "0.0.0.0:8080", Data: "/data",
			Key: "/key/cluster.key", ClusterListen: name + ":6222", Join: all,
		}
		if command := append([]string{"serve"}, want.Flags()...); !slices.Equal(s.Command, command) {
			t.Errorf("%s runs\n%q, the tests\n%q", name, s.Command, command)
		}
		if s.Hostname != name {
			t.Errorf("%s is reached as %q", name, s.Hostname)
		}
		if volumes := []string{name + ":/data", "key:/key:ro"}; !slices.Equal(s.Volumes, volumes) {
			t.Errorf("%s has the volumes %q, want %q", name, s.Volumes, volumes)
		}
		if grace, err := time.ParseDuration(s.StopGracePeriod); err != nil || grace < 40*time.Second {
			t.Errorf("%s has %s to end, and drains for 30s", name, s.StopGracePeriod)
		}
	}
}

func TestContainersMayDoNothingMore(t *testing.T) {
	for name, s := range readCompose(t).Services {
		if name != "grafana" && name != "prometheus" && name != "balancer" && s.User != "65532:65532" {
			t.Errorf("%s runs as %q", name, s.User)
		}
		if name != "grafana" && !s.ReadOnly {
			t.Errorf("%s can write to its root file system", name)
		}
		if !slices.Equal(s.Drop, []string{"ALL"}) || !slices.Equal(s.Security, []string{"no-new-privileges:true"}) {
			t.Errorf("%s keeps capabilities: %q, %q", name, s.Drop, s.Security)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s opens %s to everybody", name, port)
			}
		}
	}
}

// TestWhatIsMountedIsThere: Docker makes an empty folder of a file that is missing.
func TestWhatIsMountedIsThere(t *testing.T) {
	mounted := 0
	for name, s := range readCompose(t).Services {
		for _, volume := range s.Volumes {
			path, _, _ := strings.Cut(volume, ":")
			if !strings.HasPrefix(path, ".") {
				continue
			}
			mounted++
			if _, err := os.Stat(filepath.Join(deployFolder, path)); err != nil {
				t.Errorf("%s mounts %v", name, err)
			}
		}
	}
	if mounted < 4 {
		t.Errorf("only %d mounts were looked at", mounted)
	}
}

// TestTheBalancerKnowsTheNodes: where the environment says nothing, haproxy.cfg is for docker-compose.yml.
func TestTheBalancerKnowsTheNodes(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(deployFolder, "haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		line := fmt.Sprintf("server n%d \"${NODE_%d-n%d:8080}\"\n", i+1, i+1, i+1)
		if !strings.Contains(string(b), line) {
			t.Errorf("haproxy.cfg has no %q", line)
		}
	}
}
