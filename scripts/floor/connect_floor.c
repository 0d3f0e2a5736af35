// What an MQTT connect costs at least on this machine: one epoll thread opens TCP, sends a CONNECT
// patched from a template, reads the CONNACK, and keeps the connection or leaves. No TLS, no
// histograms, no verdicts. A load generator's cost is worth quoting only as a ratio to this one,
// both taken in the same run on the same machine. Prints one line of JSON.
//
//     cc -O2 -Wall -Wextra -o connect_floor connect_floor.c
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static const char USAGE[] =
    "connect_floor -p PORT [options]\n"
    "  -a ADDRESS  loopback address to connect to (127.0.0.1)\n"
    "  -n COUNT    connects in all (10000)\n"
    "  -w WINDOW   connects without an outcome at a time (64; with -r: no limit)\n"
    "  -r RATE     constant arrivals a second (0: as fast as the window allows)\n"
    "  -t SECONDS  keep the connections so long once all are open (0)\n"
    "  -d          leave right after CONNACK instead: DISCONNECT, await the peer's FIN, close\n"
    "  -V 4|5      MQTT 3.1.1 or 5.0 (4)\n"
    "  -u USER, -P PASSWORD\n"
    "  -k          let the kernel choose source ports, for comparison\n";

enum { SPAN = 10000, QUIET_S = 10, BATCH = 64 };
#define SECOND 1000000000ull

enum state { UNUSED, CONNECTING, WAITING, OPEN, LEAVING, GONE };
struct conn {
    uint64_t start_ns;
    float latency_us;
    int fd;
    uint8_t state;
};

static int count = 10000, window, leave_at_once, kernel_ports, version = 4;
static unsigned long rate;
static struct sockaddr_in target = {.sin_family = AF_INET};
static uint8_t packet[8192];
static size_t packet_len, digits_at; // where the eight digits of the client id are
static struct conn *conns;
static float *late_us;
static int epoll_fd, started, pending, up, failed, dropped, leaving, port_skips;
static unsigned port_low = 32768, port_count = 28232, port_next;
static uint64_t last_event_ns;
static double cpu_mark_first, cpu_mark_last, cpu_end;
static uint64_t end_ns;

static void die(const char *what) { perror(what); exit(1); }

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static double cpu_us(void) { // user + system of this process, which is what getrusage adds up too
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

// smaps_rollup counts pages; the counters behind statm may lag by some pages a core, which is as
// much as some thousand of our connections take.
static long rss_bytes(void) {
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    if (!f) die("smaps_rollup");
    while (fgets(line, sizeof line, f) && sscanf(line, "Rss: %ld", &kib) != 1) {}
    fclose(f);
    return kib * 1024;
}

static void put_string(uint8_t *body, size_t *at, const char *s) {
    size_t n = strlen(s);
    if (*at + n + 2 > sizeof packet - 8) { fprintf(stderr, "CONNECT too long\n"); exit(2); }
    body[(*at)++] = n >> 8;
    body[(*at)++] = n & 255;
    memcpy(body + *at, s, n);
    *at += n;
}

static void build_template(const char *user, const char *pass) {
    static uint8_t body[sizeof packet];
    size_t n = 0;
    char id[40];
    put_string(body, &n, "MQTT");
    body[n++] = version;
    body[n++] = 0x02 | (user ? 0x80 : 0) | (pass ? 0x40 : 0); // clean session / clean start
    body[n++] = 600 >> 8;                                     // keep alive: longer than any hold
    body[n++] = 600 & 255;
    if (version == 5) body[n++] = 0; // no properties
    snprintf(id, sizeof id, "floor-%d-00000000", (int)getpid());
    put_string(body, &n, id);
    digits_at = n - 8;
    if (user) put_string(body, &n, user);
    if (pass) put_string(body, &n, pass);

    packet[packet_len++] = 0x10;
    for (size_t left = n;;) {
        packet[packet_len++] = (left & 127) | (left > 127 ? 128 : 0);
        if (!(left >>= 7)) break;
    }
    memcpy(packet + packet_len, body, n);
    digits_at += packet_len;
    packet_len += n;
}

// We walk the ephemeral range ourselves. The kernel's own search gets many times dearer once ports
// are in TIME_WAIT on our side, as they are when a client closes first, and that would be charged
// to every connect. The port is named as a range of one, from which the kernel takes it while it
// connects: that costs a third less than binding to it (Linux 6.3). Before that we bind; SO_REUSEADDR
// lets us have ports that are busy with other peers only. Those busy with this one are skipped.
static int open_next(void) {
    static const int one = 1;
    for (unsigned tries = 0; tries < port_count; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;
        if (fd < 0) return -1;
        // Only what is longer than a segment can be held back (RFC 9293, 3.7.1: 536 bytes fit everywhere).
        if (packet_len > 536) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        int ok = 1;
        if (!kernel_ports) {
            struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
            do from.sin_port = htons(port_low + port_next++ % port_count);
            while (from.sin_port == target.sin_port); // would connect to itself
            uint32_t range = ntohs(from.sin_port) * 0x10001u;
            if (setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof range)) {
                setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
                ok = bind(fd, (void *)&from, sizeof from) == 0;
            }
        }
        if (ok && (connect(fd, (void *)&target, sizeof target) == 0 || errno == EINPROGRESS)) return fd;
        error = errno;
        close(fd);
        errno = error;
        if (kernel_ports || (error != EADDRINUSE && error != EADDRNOTAVAIL)) return -1;
        port_skips++;
    }
    return -1;
}

// Every connect ends here once, up or failed: the CPU marks are taken as outcomes go by.
static void outcome(struct conn *c, int accepted) {
    pending--;
    if (accepted) {
        up++;
        c->latency_us = (now_ns() - c->start_ns) / 1e3f;
        c->state = OPEN;
    } else {
        if (!failed++) fprintf(stderr, "first failure: %s\n", strerror(errno));
        if (c->fd >= 0) close(c->fd);
        c->state = GONE;
    }
    int done = up + failed;
    if (done == SPAN) cpu_mark_first = cpu_us();
    if (done == count - SPAN) cpu_mark_last = cpu_us();
    if (done == count) cpu_end = cpu_us(), end_ns = now_ns();
}

static void start_one(uint64_t at) {
    struct conn *c = &conns[started];
    c->start_ns = at;
    c->state = CONNECTING;
    pending++;
    c->fd = open_next();
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u32 = started++};
    if (c->fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e)) outcome(c, 0);
}

static void send_connect(struct conn *c) {
    unsigned n = c - conns;
    for (int i = 7; i >= 0; i--, n /= 10) packet[digits_at + i] = '0' + n % 10;
    if (send(c->fd, packet, packet_len, MSG_NOSIGNAL) == (ssize_t)packet_len) c->state = WAITING;
    else outcome(c, 0); // a partial write of so small a packet into an empty buffer does not happen
}

static void leave(struct conn *c) {
    send(c->fd, "\xe0", 2, MSG_NOSIGNAL); // DISCONNECT: 0xe0 0x00
    c->state = LEAVING;
    leaving++;
}

// A CONNACK that comes in pieces counts as a failure: over loopback that means a broken peer.
static int is_accepting_connack(const uint8_t *b, ssize_t n) {
    ssize_t at = 1;
    while (at < n && b[at] & 128) at++;
    errno = EPROTO;
    return n >= 4 && b[0] == 0x20 && at + 2 < n && b[at + 2] == 0;
}

static void on_event(struct conn *c, uint32_t events) {
    if (c->state == GONE) return;
    if (c->state == CONNECTING) send_connect(c); // a refused connect shows as the error of send
    while (c->state != GONE && events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) {
        uint8_t buf[512];
        ssize_t n = recv(c->fd, buf, sizeof buf, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n == 0) errno = ECONNRESET;
        if (c->state == WAITING) {
            outcome(c, n > 0 && is_accepting_connack(buf, n));
            if (c->state == OPEN && leave_at_once) leave(c);
        } else if (n <= 0) {
            if (c->state == LEAVING) leaving--;
            else dropped++;
            close(c->fd);
            c->state = GONE;
        }
        // Edge-triggered, but a short read has drained the socket unless a FIN is behind it.
        if (n < (ssize_t)sizeof buf && !(events & EPOLLRDHUP)) return;
    }
}

static void poll_until(uint64_t until) {
    struct epoll_event events[256];
    uint64_t t = now_ns(), wait = until > t ? until - t : 0;
    struct timespec ts = {.tv_sec = wait / SECOND, .tv_nsec = wait % SECOND};
    int n = epoll_pwait2(epoll_fd, events, 256, &ts, NULL);
    if (n < 0 && errno != EINTR) die("epoll_pwait2");
    if (n > 0) last_event_ns = now_ns();
    for (int i = 0; i < n; i++) on_event(&conns[events[i].data.u32], events[i].events);
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void print_percentiles(const char *name, float *v, int n) {
    if (n == 0) { printf(",\"%s\":null", name); return; }
    qsort(v, n, sizeof *v, by_size);
    printf(",\"%s\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}", name, v[(int)(n * 0.5)],
           v[(int)(n * 0.9)], v[(int)(n * 0.99)], v[(int)(n * 0.999)], v[n - 1]);
}

int main(int argc, char **argv) {
    const char *user = NULL, *pass = NULL, *address = "127.0.0.1";
    double hold_s = 0;
    int port = 0;
    window = -1;
    for (int o; (o = getopt(argc, argv, "a:p:n:w:r:t:dV:u:P:k")) != -1;) switch (o) {
        case 'a': address = optarg; break;
        case 'p': port = atoi(optarg); break;
        case 'n': count = atoi(optarg); break;
        case 'w': window = atoi(optarg); break;
        case 'r': rate = strtoul(optarg, NULL, 10); break;
        case 't': hold_s = atof(optarg); break;
        case 'd': leave_at_once = 1; break;
        case 'V': version = atoi(optarg); break;
        case 'u': user = optarg; break;
        case 'P': pass = optarg; break;
        case 'k': kernel_ports = 1; break;
        default: fputs(USAGE, stderr); return 2;
        }
    if (port < 1 || port > 65535 || count < 1 || count > 99999999 || (version != 4 && version != 5) || optind != argc) {
        fputs(USAGE, stderr);
        return 2;
    }
    if (inet_pton(AF_INET, address, &target.sin_addr) != 1 || ntohl(target.sin_addr.s_addr) >> 24 != 127) {
        fprintf(stderr, "connect_floor: loopback addresses only\n");
        return 2;
    }
    target.sin_port = htons(port);
    if (window < 0) window = rate ? 0 : 64;

    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1); // the default lets a sleep end 50 us late on purpose
    unsigned low, high;
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
    if (f && fscanf(f, "%u %u", &low, &high) == 2 && high > low) port_low = low, port_count = high - low + 1;
    if (f) fclose(f);
    port_next = now_ns() / 1000 % port_count; // anywhere: two runs in a row should not use the same ports

    long rss_start = rss_bytes(); // before the table of connections, which is part of their cost
    build_template(user, pass);
    conns = calloc(count, sizeof *conns);
    late_us = rate ? calloc(count, sizeof *late_us) : NULL;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!conns || (rate && !late_us) || epoll_fd < 0) die("setup");

    double cpu_start = cpu_us();
    uint64_t first_ns = last_event_ns = now_ns();
    while (up + failed < count) {
        uint64_t until = now_ns() + SECOND;
        for (int i = 0; i < BATCH && started < count && (!window || pending < window); i++) {
            uint64_t at = now_ns(), due = rate ? first_ns + started * SECOND / rate : at;
            until = due;
            if (due > at) break;
            if (rate) late_us[started] = (at - due) / 1e3f;
            start_one(at);
        }
        // The next start decides how long to sleep; when none is possible, only events matter.
        if (started == count || (window && pending >= window)) until = now_ns() + SECOND;
        poll_until(until);
        if (pending && now_ns() - last_event_ns > QUIET_S * SECOND) {
            fprintf(stderr, "connect_floor: no answer for %d s; %d up, %d failed, %d waiting\n", QUIET_S, up, failed, pending);
            return 1;
        }
    }

    long rss_open = rss_bytes(); // before anything below allocates
    uint64_t hold_end = now_ns() + (uint64_t)(hold_s * 1e9);
    while (now_ns() < hold_end) poll_until(hold_end);
    for (int i = 0; i < count; i++)
        if (conns[i].state == OPEN) leave(&conns[i]);
    last_event_ns = now_ns();
    while (leaving && now_ns() - last_event_ns < QUIET_S * SECOND) poll_until(now_ns() + SECOND);
    if (leaving) fprintf(stderr, "%d peers did not close\n", leaving);

    printf("{\"up\":%d,\"failed\":%d,\"dropped\":%d,\"not_closed_by_peer\":%d,\"port_skips\":%d", up, failed, dropped, leaving,
           port_skips);
    printf(",\"connects_per_s\":%.1f,\"cpu_us_per_connect\":%.3f", up / ((end_ns - first_ns) / 1e9), (cpu_end - cpu_start) / count);
    if (count >= 2 * SPAN)
        printf(",\"cpu_us_first_10000\":%.3f,\"cpu_us_last_10000\":%.3f", (cpu_mark_first - cpu_start) / SPAN,
               (cpu_end - cpu_mark_last) / SPAN);
    printf(",\"rss_start_bytes\":%ld,\"rss_open_bytes\":%ld", rss_start, rss_open);
    float *latency = calloc(count, sizeof *latency);
    int n = 0;
    for (int i = 0; latency && i < count; i++)
        if (conns[i].latency_us > 0) latency[n++] = conns[i].latency_us;
    print_percentiles("latency_us", latency, n);
    print_percentiles("start_delay_us", late_us, rate ? count : 0);
    puts("}");
    return failed || dropped || leaving ? 1 : 0;
}
