package host_test
import ("testing";"os";"context";"strings";"github.com/millrace/millrace/abi";"github.com/millrace/millrace/host";"runtime";"golang.org/x/sys/unix";"time";"sort")
func thr() time.Duration { var t unix.Timespec; unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID,&t); return time.Duration(t.Nano()) }
func BenchmarkTmpC(b *testing.B){ for _,g:=range []string{"c","rust","hand"} { b.Run(g,func(b *testing.B){
	runtime.LockOSThread()
	w:=echo()
	if g!="hand" { var err error; w,err=os.ReadFile("../bench/sandbox/guests/"+g+"/millrace.wasm"); if err!=nil {b.Fatal(err)} }
	s:=set(b,host.Config{CPUShare:1000},w)
	e:=&abi.Event{Data:strings.Repeat("x",200)}
	ballast:=make([]byte,256<<20)
	var rounds []float64
	for b.Loop(){ 
		t:=thr()
		for range 5000 { if o,err:=s.plugin.Event(context.Background(),host.Session{},e); err!=nil||len(o.Outputs)!=1 {b.Fatal(o,err)} }
		rounds=append(rounds,float64(thr()-t)/5000)
	}
	sort.Float64s(rounds)
	b.ReportMetric(rounds[len(rounds)/4],"q1cpu-ns")
	b.ReportMetric(rounds[0],"min")
	runtime.KeepAlive(ballast)
})}}
