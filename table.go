package main

import (
	"io"
	"strings"
	"text/tabwriter"
)

// table is rows of cells in columns.
type table struct{ w *tabwriter.Writer }

func newTable(out io.Writer) table { return table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)} }

// row adds a row. Cells are shown in one line each.
func (t table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = strings.Join(strings.FieldsFunc(cell, func(r rune) bool { return r < ' ' }), " ")
	}
	_, _ = t.w.Write([]byte(strings.Join(cells, "\t") + "\n")) // what fails is told by flush
}

// flush writes the table.
func (t table) flush() error { return t.w.Flush() }
