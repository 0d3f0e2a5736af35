# shellcheck shell=bash
# The section `tls` of scripts/bench-generator, which sources this: full TLS 1.3 handshakes with Mosquitto, by
# `openssl s_time` and by tokenstorm, each one after the other. The server, its certificate and the cipher suite
# are the same.

tls_port=
tls_ca=

start_tls_server() {
    local lines
    [[ -z $tls_port ]] || return 0
    lines=$(scripts/broker start mosquitto) || { say "Mosquitto did not start"; exit 1; }
    tls_port=$(sed -n 's/^MQTTS=.*://p' <<<"$lines")
    tls_ca=$(sed -n 's/^CA=//p' <<<"$lines")
}

# s_time tells connections and its own user time; system time is taken from outside, as it is a third of ours.
run_s_time() {
    local out=$work/s_time.out count spent
    exec 3>&2
    spent=$({
        TIMEFORMAT='%R %U %S'
        time openssl s_time -connect "127.0.0.1:$tls_port" -new -time 5 -CAfile "$tls_ca" -tls1_3 \
            -ciphersuites TLS_AES_256_GCM_SHA384 >"$out" 2>&3
    } 2>&1)
    count=$(sed -n 's/^\([0-9]*\) connections in .* real seconds.*/\1/p' "$out")
    awk -v n="${count:-0}" -v spent="$spent" 'BEGIN {
        split(spent, t, " ")
        printf "{\"up\": %d, \"dropped\": 0, \"cpu_us_per_connect\": %f, \"connects_per_s\": %f, ", n, 1e6 * (t[2] + t[3]) / n, n / t[1]
        print "\"rss_open_bytes\": 0, \"rss_start_bytes\": 0, \"start_delay_us\": null}"
    }' >"$work/floor.json"
    python3 "$work/helper.py" add "$results" tls "$1" floor "" "$work/floor.json" "${count:-0}" || incomplete=1
}

tls() {
    start_tls_server
    run_s_time "$1"
    ours || return 0
    # shellcheck disable=SC2034  # for run_ours
    target=$(printf 'brokers = ["mqtts://127.0.0.1:%s"]\n[target.tls]\nca = "%s"\nversion = "1.3"' "$tls_port" "$tls_ca")
    run_ours tls "$1" "" 5000 <<<$'mode = "closed"\nconcurrency = 1\nhold = "0s"'
    run_ours tls "$1" idle 8000 <<<$'mode = "closed"\nconcurrency = 32\nhold = "12s"'
    target=
}
