#!/usr/bin/env bash
# Prints the median of the named figures for each server, one line a server.
#   summary.sh RESULTS.jsonl FIGURE…      e.g. latencyMs/p50 deliveriesPerSecond
set -eu
file=$1
shift
jq -rs --args '
  def median: map(select(. != null)) | sort | if length == 0 then null
    elif length % 2 == 1 then .[length/2|floor] else (.[length/2-1] + .[length/2]) / 2 end;
  ["server", "runs"] + $ARGS.positional,
  (group_by(.name)[] | . as $runs | [.[0].name, length]
    + [$ARGS.positional[] as $f | [$runs[] | getpath($f | split("/"))] | median])
  | @tsv' "$@" <"$file" | column -t -s "$(printf '\t')"
