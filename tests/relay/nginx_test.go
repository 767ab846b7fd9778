//go:build linux

package relay

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// nchanModule is where Debian's libnginx-mod-nchan has it.
const nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so"

// nchanConfig is nginx with two workers and one channel, which is in Redis. Four things are filled
// in: the module, a folder, and the ports of Redis and of nginx.
const nchanConfig = `load_module %s;
daemon off;
worker_processes 2;
pid %[2]s/nginx.pid;
error_log stderr notice;
events {
    worker_connections 256;
}
http {
    access_log off;
    client_body_temp_path %[2]s/body;
    proxy_temp_path %[2]s/proxy;
    fastcgi_temp_path %[2]s/fastcgi;
    uwsgi_temp_path %[2]s/uwsgi;
    scgi_temp_path %[2]s/scgi;
    keepalive_requests 1000000;
    upstream kept {
        nchan_redis_server redis://127.0.0.1:%[3]d;
    }
    server {
        listen 127.0.0.1:%[4]d;
        location = /sub {
            nchan_subscriber eventsource;
            nchan_channel_id relay;
            nchan_subscriber_first_message oldest;
            nchan_redis_pass kept;
        }
        location = /pub {
            nchan_publisher;
            nchan_channel_id relay;
            nchan_message_buffer_length 1000000;
            nchan_message_timeout 1h;
            nchan_redis_pass kept;
        }
    }
}
`

// nchan is nginx with nchan, which has its messages in Redis.
type nchan struct {
	url string

	t       *testing.T
	address string
	config  string // file
	nginx   *process
}

// startNchan starts Redis and nginx, which end with the test.
func startNchan(t *testing.T) *nchan {
	t.Helper()
	if _, err := os.Stat(nchanModule); err != nil {
		t.Skip("nchan is not there: install nginx, libnginx-mod-nchan and redis-server")
	}
	for _, program := range []string{"nginx", "redis-server"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not there: install nginx, libnginx-mod-nchan and redis-server", program)
		}
	}
	dir := t.TempDir()
	redis, port := freePort(t), freePort(t)
	n := &nchan{t: t, address: fmt.Sprint("127.0.0.1:", port), config: filepath.Join(dir, "nginx.conf")}
	n.url = "http://" + n.address
	config := fmt.Appendf(nil, nchanConfig, nchanModule, dir, redis, port)
	if err := os.WriteFile(n.config, config, 0o600); err != nil {
		t.Fatal(err)
	}
	startProcess(t, "redis-server", "--port", fmt.Sprint(redis), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir)
	await(t, "Redis to listen", func() bool { return listens(fmt.Sprint("127.0.0.1:", redis)) })
	n.run()
	return n
}

// run starts nginx, which is not running.
func (n *nchan) run() {
	n.t.Helper()
	await(n.t, "nginx's port to be free", func() bool { return !listens(n.address) })
	n.nginx = startProcess(n.t, "nginx", "-e", "stderr", "-c", n.config)
	await(n.t, "nginx to listen", func() bool { return listens(n.address) })
}

// process is a program with the processes that it starts.
type process struct {
	cmd    *exec.Cmd
	killed bool
	ended  chan struct{} // closed once it has ended and was waited for
}

// startProcess starts a program that ends with the test. What it printed is shown if that failed.
func startProcess(t *testing.T, name string, args ...string) *process {
	t.Helper()
	var out bytes.Buffer
	p := &process{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &out, &out
	p.cmd.WaitDelay = 10 * time.Second
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		// Linux ends the child when the thread that started it ends, so that thread is kept.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.ended)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ends does not matter
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s printed\n%s", name, out.Bytes())
		}
	})
	return p
}

// kill ends the process, and all that it has started, by SIGKILL at once.
func (p *process) kill() {
	if !p.killed { // else its number may be another's by now
		p.killed = true
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // an error says that they have ended
	}
	<-p.ended
}

func listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// freePort is a port of loopback that nobody listens on, and that no outgoing connection is given.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 15_000 + rand.N(15_000)
		if l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
