# shellcheck shell=bash
# Three nodes of RabbitMQ that form a cluster, each as a broker of its own. Sourced by scripts/broker.

NAMES+=(rabbitmq-epmd rabbitmq-a rabbitmq-b rabbitmq-c rabbitmq-cluster)

ABOUT[rabbitmq-epmd]="the port mapper of rabbitmq-cluster, by which its nodes find each other"
NEEDS[rabbitmq-epmd]="epmd:erlang-base"
PORTS[rabbitmq-epmd]="EPMD=950"

ABOUT[rabbitmq-a]="the first node of rabbitmq-cluster; can be killed and started alone"
NEEDS[rabbitmq-a]=${NEEDS[rabbitmq]}
PORTS[rabbitmq-a]="DISTRIBUTION=951 MQTT=954"

ABOUT[rabbitmq-b]="the second node of rabbitmq-cluster"
NEEDS[rabbitmq-b]=${NEEDS[rabbitmq]}
PORTS[rabbitmq-b]="DISTRIBUTION=952 MQTT=955"

ABOUT[rabbitmq-c]="the third node of rabbitmq-cluster"
NEEDS[rabbitmq-c]=${NEEDS[rabbitmq]}
PORTS[rabbitmq-c]="DISTRIBUTION=953 MQTT=956"

ABOUT[rabbitmq-cluster]="RabbitMQ as a cluster of three nodes: rabbitmq-a, rabbitmq-b, rabbitmq-c; tokens as rabbitmq"
MEMBERS[rabbitmq-cluster]="rabbitmq-epmd rabbitmq-a rabbitmq-b rabbitmq-c"

lines_rabbitmq_cluster() {
    local node
    for node in a b c; do
        echo "${node^^}=mqtt://127.0.0.1:$(port rabbitmq-$node MQTT)"
    done
    token_key_lines
}

start_rabbitmq_epmd() {
    local as=()
    ((EUID)) || as=(setpriv --reuid rabbitmq --regid rabbitmq --clear-groups)
    # The user comes with the server.
    install_needs rabbitmq
    launch "$1" broker "${as[@]}" epmd -address 127.0.0.1 -port "$(port rabbitmq-epmd EPMD)"
}

lines_rabbitmq_a() { rabbitmq_node_lines a; }
start_rabbitmq_a() { start_rabbitmq_node a "$1"; }
ready_rabbitmq_a() { ready_rabbitmq "$1"; }
reuse_rabbitmq_a() { reuse_rabbitmq_node a "$1"; }
clean_rabbitmq_a() { clean_rabbitmq "$1"; }

lines_rabbitmq_b() { rabbitmq_node_lines b; }
start_rabbitmq_b() { start_rabbitmq_node b "$1"; }
ready_rabbitmq_b() { ready_rabbitmq "$1"; }
reuse_rabbitmq_b() { reuse_rabbitmq_node b "$1"; }
clean_rabbitmq_b() { clean_rabbitmq "$1"; }

lines_rabbitmq_c() { rabbitmq_node_lines c; }
start_rabbitmq_c() { start_rabbitmq_node c "$1"; }
ready_rabbitmq_c() { ready_rabbitmq "$1"; }
reuse_rabbitmq_c() { reuse_rabbitmq_node c "$1"; }
clean_rabbitmq_c() { clean_rabbitmq "$1"; }

rabbitmq_node_lines() {
    echo "MQTT=mqtt://127.0.0.1:$(port "rabbitmq-$1" MQTT)"
    token_key_lines
}

# start_rabbitmq_node LETTER FOLDER
start_rabbitmq_node() {
    local node=$1 dir=$2 home as=()
    # RabbitMQ would start one itself, which stays for ever.
    listening "$(port rabbitmq-epmd EPMD)" || die "rabbitmq-$node needs rabbitmq-epmd: start rabbitmq-cluster"
    token_keys
    make_once "$STATE/keys/rabbitmq" make_rabbitmq_cookie
    ((EUID)) || as=(setpriv --reuid rabbitmq --regid rabbitmq --clear-groups)
    home=$(rabbitmq_home "$dir" "${as[@]}")
    rabbitmq_files "$home" "rabbitmq-$node" "$(rabbitmq_node_secret "$node")"
    rabbitmq_nodes >>"$home/rabbitmq.conf"
    rabbitmq_node_secret_of "$node" >"$dir/secret_of"
    if [[ ! -e $home/.erlang.cookie ]]; then
        install -m 400 "$STATE/keys/rabbitmq/cookie" "$home/.erlang.cookie"
        ((EUID)) || chown rabbitmq:rabbitmq "$home/.erlang.cookie"
    fi
    cd "$home" || exit
    rabbitmq_environment "$home" "tokenstorm-$node" "$(port rabbitmq-epmd EPMD)" "$(port "rabbitmq-$node" DISTRIBUTION)" \
        "$RABBITMQ_JSON"
    launch "$dir" broker "${as[@]}" "$(rabbitmq_program)"
}

# The cluster's nodes know each other by it.
make_rabbitmq_cookie() {
    head -c 24 /dev/urandom | base64 -w0 | tr '+/=' 'xyz' >cookie
}

# By their names in the settings of each: the first one that starts finds nobody, the others find it.
rabbitmq_nodes() {
    local node number=1
    echo "cluster_formation.peer_discovery_backend = classic_config"
    for node in a b c; do
        echo "cluster_formation.classic_config.nodes.$number = tokenstorm-$node@127.0.0.1"
        number=$((number + 1))
    done
    # It need not look for long.
    echo "cluster_formation.discovery_retry_limit = 2"
    echo "cluster_partition_handling = pause_minority"
}

# Whose secret a node knows: `ours`, or `another` where OTHER_SECRET has its letter.
rabbitmq_node_secret_of() {
    if [[ ${OTHER_SECRET:-} == *"$1"* ]]; then echo another; else echo ours; fi
}

rabbitmq_node_secret() {
    [[ $(rabbitmq_node_secret_of "$1") == ours ]] || echo "another secret, which signs no token here"
}

# reuse_rabbitmq_node LETTER FOLDER: one that runs with another secret is not the one that was asked for.
reuse_rabbitmq_node() {
    [[ $(cat "$2/secret_of" 2>/dev/null || echo ours) == "$(rabbitmq_node_secret_of "$1")" ]] ||
        die "rabbitmq-$1 runs with another OTHER_SECRET: stop rabbitmq-cluster before you start it anew"
}
