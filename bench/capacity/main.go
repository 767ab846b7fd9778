// Command capacity reckons how much an installation of cells can carry, and what it runs out of
// first. It draws tenants, places them in cells one after another, and stops at the first cell that
// would be past a wall with one of its nodes gone. What things cost is measured: see Costs.
//
// It prints the tables of docs/capacity.md. Other machines and costs are flags away.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	cell := Cell{Nodes: 3, Machine: reference(), Costs: measured()}
	flag.IntVar(&cell.Nodes, "nodes", cell.Nodes, "nodes of a cell that keep history: 1, 3 or more")
	flag.Float64Var(&cell.Machine.Cores, "cores", cell.Machine.Cores, "cores of a node")
	flag.Float64Var(&cell.Machine.MemoryBytes, "memory", cell.Machine.MemoryBytes, "bytes of memory of a node")
	flag.Float64Var(&cell.Machine.BitsPerSecond, "network", cell.Machine.BitsPerSecond, "bits per second that a node can send")
	flag.Float64Var(&cell.Machine.Viewers, "viewers", cell.Machine.Viewers, "viewers that a node's open files allow")
	rounds := flag.Int("rounds", 20, "simulations for each line, each with tenants of its own")
	flag.Parse()
	if cell.Nodes != 1 && cell.Nodes < 3 || *rounds < 1 {
		fmt.Fprintln(os.Stderr, "a cell has 1 node, or 3 and more, and is simulated at least once")
		os.Exit(2)
	}
	fmt.Print(report(cell, *rounds))
}
