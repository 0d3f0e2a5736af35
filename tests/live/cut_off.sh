# shellcheck shell=bash
# Two agents in network namespaces of their own, of which one is cut off in the middle of a run: in a namespace that
# nobody else is in, as its root. $1 the program, $2 the scenario, $3 where its results go.
set -euo pipefail
program=$1 scenario=$2 out=$3
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
PATH=$PATH:/usr/sbin:/sbin

ip link set lo up
ip address add 10.78.0.1/32 dev lo
for number in 1 2; do
    unshare --net sleep 600 &
    space[number]=$!
    pids+=($!)
done
for number in 1 2; do
    # Until it is in its own namespace.
    until [[ $(readlink "/proc/${space[number]}/ns/net") != "$(readlink /proc/$$/ns/net)" ]]; do sleep 0.05; done
    ip link add "agent$number" type veth peer name inner netns "${space[number]}"
    ip address add "10.77.$number.1/24" dev "agent$number"
    ip link set "agent$number" up
    inside=(nsenter --target "${space[number]}" --net)
    "${inside[@]}" ip link set lo up
    "${inside[@]}" ip address add "10.77.$number.2/24" dev inner
    "${inside[@]}" ip link set inner up
    "${inside[@]}" ip route add default via "10.77.$number.1"
done

export TOKENSTORM_NATS_TOKEN=of-this-test
printf 'listen: "10.78.0.1:4222"\nauthorization { token: "%s" }\n' "$TOKENSTORM_NATS_TOKEN" >"$work/nats.conf"
nats-server -c "$work/nats.conf" >"$work/nats.log" 2>&1 &
pids+=($!)
"$program" broker "$scenario" --listen 10.78.0.1:1883 --authorized >"$work/broker.log" 2>&1 &
pids+=($!)
until (: <>/dev/tcp/10.78.0.1/4222) 2>/dev/null && (: <>/dev/tcp/10.78.0.1/1883) 2>/dev/null; do sleep 0.1; done

for number in 1 2; do
    nsenter --target "${space[number]}" --net "$program" agent --nats nats://10.78.0.1:4222 --index "$number" \
        --files "$(dirname "$scenario")" --authorized --once >"$work/agent$number.log" 2>&1 &
    agent[number]=$!
    pids+=($!)
done
run=("$program" run "$scenario" --progress none --authorized --agents 2 --nats nats://10.78.0.1:4222)

code=0
"${run[@]}" --out "$out.refused" 2>"$work/refused" || code=$?
grep -q 'neither TLS nor loopback' "$work/refused" || cat "$work/refused"
echo "keys travel only where they can't be read: exit code $code"
code=0
TOKENSTORM_NATS_TOKEN='' "${run[@]}" --out "$out.refused" 2>/dev/null || code=$?
echo "an empty token: exit code $code"
code=0
env -u TOKENSTORM_NATS_TOKEN "${run[@]}" --out "$out.refused" 2>/dev/null || code=$?
echo "no credentials: exit code $code"

# From files that the agents have themselves.
grep '^secret = ' "$scenario" | sed 's/.*"\(.*\)".*/\1/' >"$(dirname "$scenario")/secret"
sed 's/^secret = .*/secret_file = "secret"/' "$scenario" >"$(dirname "$scenario")/by-file.toml"
run[2]=$(dirname "$scenario")/by-file.toml
"${run[@]}" --out "$out" >"$work/said" 2>&1 &
coordinator=$!
until [[ -f $out/timeline.csv && $(wc -l <"$out/timeline.csv") -gt 3 ]]; do
    kill -0 "$coordinator" 2>/dev/null || break
    sleep 0.1
done
ip link set agent2 down
code=0
wait "$coordinator" || code=$?
cat "$work/said"
# It has heard of its coordinator no more, and its clients have left.
wait "${agent[2]}" || echo "the agent that was cut off has ended ($?)"
exit "$code"
