package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/millrace/millrace/host"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// cli is the command line. Each flag may also come from the environment, as MILLRACE_ and its name,
// and then from a YAML file.
type cli struct {
	Config kong.ConfigFlag `placeholder:"FILE" help:"A YAML file of flags by name; millrace.yaml here, if there is one."`

	Serve   serveCommand    `cmd:"" help:"Run a server."`
	Demo    demoCommand     `cmd:"" help:"Run a server on throwaway data, with every example plugin and streams to try."`
	Deploy  deployCommand   `cmd:"" help:"Upload a callback: a .wasm file, or a folder with Go source."`
	Publish publishCommand  `cmd:"" help:"Publish an event, or many."`
	Tail    tailCommand     `cmd:"" help:"Print events as they come."`
	Source  sourceCommands  `cmd:"" help:"Pull remote streams into subjects."`
	Secret  secretCommands  `cmd:"" help:"Keep what sources and callbacks send to remotes and nobody is to read."`
	Token   tokenCommands   `cmd:"" help:"Make, list and revoke a tenant's tokens."`
	Backup  backupCommand   `cmd:"" help:"Write a backup of all tenants, or of one, while they are in use."`
	Restore restoreCommand  `cmd:"" help:"Make tenants of a backup, or check it."`
	Bench   benchCommand    `cmd:"" help:"Load a server, and tell what its viewers saw and what it cost."`
	Cluster clusterCommands `cmd:"" help:"Make what a cluster's nodes need."`
	Nodes   nodesCommand    `cmd:"" help:"List a cluster's nodes."`
	Drain   drainCommand    `cmd:"" help:"Send a node's viewers and sources to the other nodes, and wait until it has none."`
	Forget  forgetCommand   `cmd:"" help:"Forget a node that is gone for good."`
	Version versionCommand  `cmd:"" help:"Print the version."`
}

// console is where a command reads and writes: results to out, all else to err.
type console struct {
	in       io.Reader
	out, err io.Writer
	compiler []string // how to run compileCommand in a process of its own; none where that cannot be
}

// compileCommand is what the server runs itself as to compile one plugin. It is no command for users.
const compileCommand = "__compile"

func (c *console) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }
func (c *console) notef(format string, args ...any)  { fmt.Fprintf(c.err, format, args...) }

// isTerminal tells whether somebody looks on at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// run does what args ask for and returns the exit status. The end of ctx is how serve, demo and tail
// are told to stop, which is no failure; it is one for a command that was not done.
func run(ctx context.Context, args []string, c *console) int {
	if len(args) == 1 && args[0] == compileCommand {
		if err := host.CompileMain(c.in, c.out); err != nil {
			return c.fail(err, exitFailed)
		}
		return exitOK
	}
	helped := false
	parser, err := kong.New(&cli{},
		kong.Name("millrace"),
		kong.Description("Event streams with WebAssembly plugins, in one binary."),
		kong.DefaultEnvars("MILLRACE"),
		kong.Configuration(readConfigFile, configFile),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(c.out, c.err),
		kong.Exit(func(int) { helped = true }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(c),
	)
	if err != nil {
		return c.fail(err, exitFailed)
	}
	command, err := parser.Parse(args)
	switch {
	case helped:
		return exitOK
	case err != nil:
		status := c.fail(err, exitUsage)
		c.notef("See millrace --help.\n")
		return status
	}
	err = command.Run()
	switch {
	case errors.Is(err, context.Canceled):
		return c.fail(errors.New("interrupted"), exitFailed)
	case err != nil:
		return c.fail(err, exitFailed)
	}
	return exitOK
}

func (c *console) fail(err error, status int) int {
	c.notef("millrace: %v\n", err)
	return status
}
