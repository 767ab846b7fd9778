package module_test

import (
	"testing"

	"github.com/millrace/millrace/tests/hostile/module"
	"github.com/millrace/millrace/tests/hostile/op"
	"github.com/tetratelabs/wazero"
)

// TestAModuleRuns makes a module of all kinds of parts, so that a module which is refused elsewhere
// is refused for what it attacks and not for how it was written.
func TestAModuleRuns(t *testing.T) {
	m := &module.Module{}
	now := m.Import("outside", "now", ":l")
	double := m.Func("i:i", "", op.Get(0), op.Get(0), op.Add)
	global := m.Global(op.I32, op.Const32(1))
	table := m.Table(op.FuncRef, 2, 10)
	m.Memory(1, 2)
	m.Data(100, []byte{7, 0, 0, 0})
	segment := m.PassiveData([]byte("abcd"))
	m.Elements(1, double)
	elements := m.PassiveElements(double)
	m.Start(m.Func(":", "", op.Const32(2), op.GlobalSet(global)))
	m.Export("memory", module.Memory, 0)
	m.Export("sum", module.Func, m.Func(":i", "iil",
		op.Call(now), op.Set(2),
		op.Const32(0), op.Const32(0), op.Const32(1), op.TableInit(elements, table),
		op.Const32(200), op.Const32(0), op.Const32(4), op.MemoryInit(segment), op.DataDrop(segment),
		op.Times(0, 10, op.Get(1), op.Const32(1), op.Add, op.Set(1)), // 10
		op.Block(op.Block(op.Const32(5), op.BranchTable(0, 1)), op.Unreachable),
		op.Get(1),
		op.Const32(100), op.Load(), op.Const32(0), op.CallIndirect(m.Type("i:i")), op.Add, // 14
		op.GlobalGet(global), op.Add, // 2
		op.Get(2), op.Wrap, op.Add, // 1000
	))
	m.Trailing(module.Custom("note", []byte("anything")))

	ctx := t.Context()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	outside := r.NewHostModuleBuilder("outside").NewFunctionBuilder().WithFunc(func() int64 { return 1000 }).Export("now")
	if _, err := outside.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	instance, err := r.Instantiate(ctx, m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	results, err := instance.ExportedFunction("sum").Call(ctx)
	if err != nil || results[0] != 10+14+2+1000 {
		t.Errorf("the module answers %v, %v, want 1026", results, err)
	}
}
