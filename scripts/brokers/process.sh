# shellcheck shell=bash
# Processes, ports and files that all brokers share. Sourced by scripts/broker.

say() {
    printf 'broker: %s\n' "$*" >&2
}

die() {
    say "$@"
    exit 1
}

# render TEMPLATE KEY=VALUE...: the template with @KEY@ replaced.
render() {
    local text pair
    text=$(<"$SOURCES/$1")
    for pair in "${@:2}"; do
        text=${text//"@${pair%%=*}@"/"${pair#*=}"}
    done
    printf '%s\n' "$text"
}

# port NAME KEY: the port that belongs to a line of the output.
port() {
    local pair
    for pair in ${PORTS[$1]}; do
        [[ ${pair%%=*} == "$2" ]] && echo $((PORT_BASE + ${pair#*=})) && return
    done
    die "$1 has no port for $2"
}

has_ipv6_loopback() {
    grep -qE '^0{31}1 ' /proc/net/if_inet6 2>/dev/null
}

# The keys of the ports that are opened on this machine.
port_keys() {
    local pair
    for pair in ${PORTS[$1]}; do
        [[ ${pair%%=*} == MQTT6 ]] && ! has_ipv6_loopback && continue
        echo "${pair%%=*}"
    done
}

# Read from the kernel's table: a connection made to find out would be one more client in the broker's log.
listening() {
    local port
    port=$(printf '%04X' "$1")
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -E ": [0-9A-F]+:$port [0-9A-F]+:[0-9A-F]+ 0A " >/dev/null
}

# Who listens on a port, as far as this user may see it.
port_owner() {
    local inode fd pid
    inode=$(awk -v port=":$(printf '%04X' "$1")\$" '$4 == "0A" && $2 ~ port { print $10; exit }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null || true)
    fd=$(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" -print -quit 2>/dev/null || true)
    [[ $fd =~ ^/proc/([0-9]+)/ ]] || { echo "another process"; return; }
    pid=${BASH_REMATCH[1]}
    echo "process $pid ($(cat "/proc/$pid/comm"))"
}

check_ports_free() {
    local key port
    for key in $(port_keys "$1"); do
        port=$(port "$1" "$key")
        if listening "$port"; then
            die "port $port ($key of $1) is taken by $(port_owner "$port"); end that, or set" \
                "TOKENSTORM_PORT_BASE to something other than $PORT_BASE"
        fi
    done
}

# A load test holds many connections. More than this is not asked for, because haproxy and Erlang reserve memory for
# every descriptor they may open, and in some containers the limit is a thousand million.
raise_open_files() {
    local hard
    hard=$(ulimit -Hn)
    [[ $hard == unlimited ]] || ((hard > 65536)) && hard=65536
    ulimit -Sn "$hard"
}

# When a process was started, in clock ticks; fails if there is none. A pid alone may belong to somebody else by the
# time its file is read, the two together can't. A zombie has ended, even where nobody collects it; but while others of its
# threads are still ending, as Java's do after a SIGKILL, its ports are open.
started_at() {
    local stat fields threads
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    read -ra fields <<<"${stat##*) }"
    if [[ ${fields[0]} == Z ]]; then
        threads=("/proc/$1/task"/*)
        ((${#threads[@]} > 1)) || return 1
    fi
    echo "${fields[19]}"
}

# alive PIDFILE
alive() {
    local pid start
    read -r pid start 2>/dev/null <"$1" && [[ $(started_at "$pid") == "$start" ]]
}

# running FOLDER: all processes of a broker are alive.
running() {
    local file found=1
    for file in "$1"/*.pid; do
        [[ -e $file ]] || return 1
        alive "$file" || return 1
        found=0
    done
    return $found
}

main_pid() {
    local pid
    read -r pid _ <"$1/broker.pid"
    echo "$pid"
}

rss_mb() {
    awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"
}

# launch FOLDER PROCESS COMMAND...: in a session of its own, with nothing of ours left open: a caller that waits for
# the end of our output must not wait for the broker's, and a lock must end with the one who took it.
launch() {
    local dir=$1 file=$1/$2.pid pid
    shift 2
    setsid "$@" </dev/null >>"$dir/log" 2>&1 8>&- 9>&- &
    pid=$!
    disown
    echo "$pid $(started_at "$pid" || echo 0)" >"$file"
}

# end_all FOLDER SIGNAL SECONDS: returns when the processes are gone; whoever needs longer is killed.
end_all() {
    local file pid deadline
    for file in "$1"/*.pid; do
        [[ -e $file ]] || continue
        deadline=$((SECONDS + $3))
        read -r pid _ <"$file"
        alive "$file" && send "$2" "$pid" "$file"
        while alive "$file"; do
            ((SECONDS < deadline)) || send KILL "$pid" "$file"
            sleep 0.02
        done
        rm -f "$file"
    done
}

# send SIGNAL PID PIDFILE: a process that ended in between is no mistake.
send() {
    kill -s "$1" "$2" 2>/dev/null || ! alive "$3" || die "process $2 can't be ended by this user; its pid file is $3"
}

# wait_until_ready NAME FOLDER
wait_until_ready() {
    local name=$1 dir=$2 key start=$EPOCHREALTIME deadline=$((SECONDS + ${READY_WITHIN[$1]:-90}))
    for key in $(port_keys "$name"); do
        until listening "$(port "$name" "$key")"; do
            check_start "$name" "$dir" "$deadline"
        done
    done
    until call ready "$name" "$dir"; do
        check_start "$name" "$dir" "$deadline"
    done
    running "$dir" || failed_start "$name" "$dir" "ended while starting"
    say "$name is ready after $(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $start }") s"
}

check_start() {
    running "$2" || failed_start "$1" "$2" "ended while starting"
    ((SECONDS < $3)) || failed_start "$1" "$2" "is not ready after ${READY_WITHIN[$1]:-90} s"
    sleep 0.05
}

failed_start() {
    end_all "$2" KILL 10
    say "$1 $3; the last lines of $2/log:"
    tail -n 20 "$2/log" >&2
    exit 1
}
