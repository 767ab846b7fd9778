#!/usr/bin/env bash
# Runs scenarios against this server and its peers, taking the servers in turn, and adds one line of
# JSON a run to $PEERS/results/SCENARIO.jsonl.
#   measure.sh [-r RUNS] [-s "SERVER …"] SCENARIO…
# Scenarios: rate20 rate sat1k sat10k idle10k idle19k replay publish1 publish16
# The server jetstream takes publishes only.
# $PEERS is a scratch folder with the programs in $PEERS/bin; see README.md.
set -u
cd "$(dirname "$0")"
: "${PEERS:?scratch folder with the programs, see README.md}"
runs=3
servers="millrace mercure centrifugo nchan pushpin nethttp epoll"
while getopts r:s: o; do
	case $o in r) runs=$OPTARG ;; s) servers=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
bin=$PEERS/bin run=$PEERS/run
mkdir -p "$PEERS/results" "$run"
topic=https%3A%2F%2Fexample.com%2Fbench
key='!ChangeThisMercureHubJWTSecretKeyForTheBench!'
main=0 beside=() grip='' args=()

start() { # SERVER SCENARIO: sets main, the process, beside, others of it, and args, what bench is told
	beside=()
	rm -rf "${run:?}/$1"
	mkdir -p "$run/$1"
	local log=$run/$1.log
	case $1 in
	millrace*)
		local flags=()
		[[ $1 == millrace-fsync ]] && flags+=(--fsync)
		"$bin/millrace" serve --listen 127.0.0.1:9100 --data "$run/$1" --drain 1s "${flags[@]}" >"$log" 2>&1 &
		main=$!
		until curl -sf -o /dev/null http://127.0.0.1:9100/readyz; do sleep 0.1; done
		args=(--server http://127.0.0.1:9100 --token "$(cat "$run/$1/admin.token")") ;;
	mercure)
		local token
		token=$("$bin/mercure" mercure-token --iss https://bench.example --aud https://bench.example/.well-known/mercure --key "$key" --publish https://example.com/bench)
		local config=$PWD/mercure.Caddyfile
		(cd "$run/$1" && XDG_DATA_HOME=$PWD XDG_CONFIG_HOME=$PWD MERCURE_TRANSPORT=bolt exec "$bin/mercure" run --config "$config" --adapter caddyfile) >"$log" 2>&1 &
		main=$!
		args=(--stream "http://127.0.0.1:9103/.well-known/mercure?match=$topic" --publish-to http://127.0.0.1:9103/.well-known/mercure
			--publish-header "Authorization: Bearer $token" --publish-header 'Content-Type: application/x-www-form-urlencoded'
			--publish-body "topic=$topic&data={payload}") ;;
	centrifugo)
		"$bin/centrifugo" -c centrifugo.json >"$log" 2>&1 &
		main=$!
		local channel=bench position='%7B%7D'
		args=()
		if [[ $2 == replay ]]; then # a channel with history, from offset 0 of its epoch
			channel=hist:bench
			sleep 1
			local epoch
			epoch=$(curl -s -H 'X-API-Key: bench' -d '{"channel":"hist:bench"}' http://127.0.0.1:9104/api/history | sed 's/.*"epoch":"\([^"]*\)".*/\1/')
			position="%7B%22recover%22:true,%22epoch%22:%22$epoch%22,%22offset%22:0%7D"
			args=(--last-id 0)
		fi
		args+=(--stream "http://127.0.0.1:9104/connection/uni_sse?cf_connect=%7B%22subs%22:%7B%22$channel%22:$position%7D%7D"
			--publish-to http://127.0.0.1:9104/api/publish --publish-header 'X-API-Key: bench' --publish-header 'Content-Type: application/json'
			--publish-body "{\"channel\":\"$channel\",\"data\":\"{payload}\"}") ;;
	nchan)
		nginx -c "$PWD/nchan.conf" -g "daemon off; pid $run/nginx.pid; error_log $run/nginx.log;" >"$log" 2>&1 &
		main=$!
		args=(--stream http://127.0.0.1:9105/sub --publish-to http://127.0.0.1:9105/pub) ;;
	pushpin)
		mkdir -p /var/run/zurl "$run/$1/run" "$run/$1/log"
		zurl --config=/etc/zurl.conf --loglevel=1 >"$run/zurl.log" 2>&1 &
		beside=($!)
		"$bin/grip" -addr 127.0.0.1:9110 &
		grip=$!
		echo '* 127.0.0.1:9110' >"$run/$1/routes"
		cp pushpin.conf "$run/$1/"
		(cd "$run/$1" && exec pushpin --config=pushpin.conf) >"$log" 2>&1 &
		main=$!
		sleep 1
		args=(--stream http://127.0.0.1:9106/sub --publish-to http://127.0.0.1:5561/publish/ --publish-header 'Content-Type: application/json'
			--publish-body '{"items":[{"channel":"bench","formats":{"http-stream":{"content":"data: {payload}\n\n"}}}]}') ;;
	nethttp | epoll)
		local port=9107
		[[ $1 == epoll ]] && port=9108
		"$bin/floor-$1" -addr 127.0.0.1:$port >"$log" 2>&1 &
		main=$!
		args=(--stream http://127.0.0.1:$port/sse --publish-to http://127.0.0.1:$port/pub) ;;
	jetstream)
		"$bin/floor-jetstream" -addr 127.0.0.1:9109 -data "$run/$1" >"$log" 2>&1 &
		main=$!
		args=(--stream http://127.0.0.1:9109/ --publish-to http://127.0.0.1:9109/) ;;
	*) echo "no server $1" >&2; exit 2 ;;
	esac
	sleep 1.5
	kill -0 "$main" || { cat "$log" >&2; exit 1; } # its port is taken, for example
	args+=(--pid "$main")
	local child
	for child in $(pgrep -P "$main") "${beside[@]}"; do args+=(--pid "$child"); done
}

stop() {
	kill "$main" "${beside[@]}" $grip 2>/dev/null # the backend is none of Pushpin's
	grip=
	for _ in $(seq 100); do
		kill -0 "$main" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$main" 2>/dev/null
	wait "$main" 2>/dev/null
}

busy() { awk '/^cpu /{print $2+$3+$4+$7+$8}' /proc/stat; }

# quiet waits a little for other work on the machine to pause.
quiet() {
	for _ in 1 2 3; do
		local a b
		a=$(busy)
		sleep 1
		b=$(busy)
		((b - a < 20)) && return
	done
}

for scenario in "$@"; do
	case $scenario in
	rate20) flags=(rate --viewers 1000 --rate 20 --duration 6s --settle 1s) ;;
	rate) flags=(rate --viewers 1000 --rate 100 --duration 10s --settle 1s) ;;
	sat1k) flags=(saturate --viewers 1000 --in-flight 64 --duration 5s --settle 1s) ;;
	sat10k) flags=(saturate --viewers 10000 --in-flight 64 --duration 5s --settle 1s) ;;
	idle10k) flags=(idle --viewers 10000 --duration 1s) ;;
	idle19k) flags=(idle --viewers 19000 --duration 1s) ;;
	replay) flags=(replay --viewers 1000 --events 1000 --settle 1s) ;;
	publish1) flags=(publish --publishers 1 --duration 4s) ;;
	publish16) flags=(publish --publishers 16 --duration 4s) ;;
	*) echo "no scenario $scenario" >&2; exit 2 ;;
	esac
	for ((r = 1; r <= runs; r++)); do
		for server in $servers; do
			quiet
			start "$server" "$scenario"
			load=$(cut -d' ' -f1 /proc/loadavg) before=$(busy) since=$SECONDS
			line=$(timeout 180 "$bin/millrace" bench "${flags[@]}" "${args[@]}" --json 2>"$run/bench.log") || cat "$run/bench.log" >&2
			busy=$(($(busy) - before))
			stop
			jq -c --arg server "$server" --argjson load "$load" --argjson busy "$busy" --argjson wall "$((SECONDS - since))" \
				'. + {name: $server, load: $load, busyTicks: $busy, wall: $wall}' <<<"$line" >>"$PEERS/results/$scenario.jsonl"
			jq -c --arg server "$server" '[$server, .deliveriesPerSecond, .publishesPerSecond, .lost, .latencyMs.p50, .latencyMs.p99, .server.cpuSecondsPerMillion, .server.bytesPerViewer, .seconds]' <<<"$line" >&2
		done
	done
done
