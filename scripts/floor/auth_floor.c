// What it costs at least on this machine to authenticate again: one epoll thread holds connections, sends an AUTH (MQTT 5.0,
// reason code 0x19) on one after the other at a constant rate, reads the answer, and sends the ping that follows it. It mints
// nothing and judges nothing. Quote it as a ratio to `connect_floor -d -V 5 -r RATE` of the same run. Prints one line of JSON.
//
//     cc -O2 -Wall -Wextra -o auth_floor auth_floor.c
//     auth_floor -p PORT [-n CONNECTIONS] [-r AUTHS_A_SECOND] [-s SECONDS] [-l TOKEN_BYTES] [-g GRID_US] [-q]
//
// -g: AUTHs go out at multiples of so many microseconds, all that are due by then. -q: no pings.
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull
static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}
static double cpu_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}
static void die(const char *what) { perror(what); exit(1); }

static uint8_t packet[8192];
static size_t packet_len;
static void build(int token) {
    uint8_t props[8000];
    size_t n = 0;
    props[n++] = 0x15; props[n++] = 0; props[n++] = 3; memcpy(props + n, "JWT", 3); n += 3;
    props[n++] = 0x16; props[n++] = token >> 8; props[n++] = token & 255; memset(props + n, 'a', token); n += token;
    size_t rest = 1 + (n > 127 ? 2 : 1) + n;
    packet[packet_len++] = 0xf0;
    if (rest > 127) packet[packet_len++] = (rest & 127) | 128, packet[packet_len++] = rest >> 7;
    else packet[packet_len++] = rest;
    packet[packet_len++] = 0x19;
    if (n > 127) packet[packet_len++] = (n & 127) | 128, packet[packet_len++] = n >> 7;
    else packet[packet_len++] = n;
    memcpy(packet + packet_len, props, n);
    packet_len += n;
}
static int *fds, count = 15000, quiet;
static uint64_t grid; // nanoseconds; 0: each when it is due
static uint8_t *state; // 0 idle 1 auth sent 2 ping sent
static long answered, pongs, busy, waits;

int main(int argc, char **argv) {
    int port = 0, seconds = 10, token = 300;
    double rate = 12000;
    for (int o; (o = getopt(argc, argv, "p:n:r:s:l:qg:")) != -1;) switch (o) {
        case 'p': port = atoi(optarg); break;
        case 'n': count = atoi(optarg); break;
        case 'r': rate = atof(optarg); break;
        case 's': seconds = atoi(optarg); break;
        case 'l': token = atoi(optarg); break;
        case 'q': quiet = 1; break;
        case 'g': grid = atof(optarg) * 1000; break;
        default: return 2;
        }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1);
    build(token);
    int ep = epoll_create1(EPOLL_CLOEXEC);
    fds = calloc(count, sizeof *fds);
    state = calloc(count, 1);
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    // Protocol level 5, a clean start, no keep alive, no properties; all have the same client id.
    static const uint8_t connect_packet[] = "\x10\x16\0\4MQTT\5\2\0\0\0\0\x09" "floor0000";
    for (int i = 0; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fds[i] < 0) die("socket");
        if (connect(fds[i], (void *)&target, sizeof target)) die("connect");
        if (send(fds[i], connect_packet, sizeof connect_packet - 1, 0) < 0) die("send");
        uint8_t b[16];
        if (recv(fds[i], b, sizeof b, 0) <= 0) die("CONNACK");
        int one = 1;
        setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.u32 = i};
        epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &e);
    }
    usleep(500000); // the peer is done with the connects
    double cpu = cpu_us();
    uint64_t first = now_ns(), end = first + seconds * SECOND;
    long sent = 0;
    for (;;) {
        uint64_t t = now_ns();
        if (t >= end) break;
        uint64_t due;
        while ((due = first + (uint64_t)(sent * (double)SECOND / rate)) <= t) {
            int i = sent++ % count;
            if (state[i]) { busy++; continue; }
            state[i] = 1;
            if (send(fds[i], packet, packet_len, MSG_NOSIGNAL) < 0) die("send AUTH");
        }
        t = now_ns();
        if (grid) due = (due / grid + 1) * grid;
        uint64_t wait = due > t ? due - t : 0;
        struct timespec ts = {.tv_sec = wait / SECOND, .tv_nsec = wait % SECOND};
        struct epoll_event events[256];
        int n = epoll_pwait2(ep, events, 256, &ts, NULL);
        waits++;
        for (int k = 0; k < n; k++) {
            int i = events[k].data.u32;
            uint8_t b[512];
            ssize_t got = recv(fds[i], b, sizeof b, MSG_DONTWAIT);
            if (got <= 0) { if (errno == EAGAIN) continue; die("recv"); }
            if (b[0] == 0xf0) {
                answered++;
                state[i] = quiet ? 0 : 2;
                if (!quiet) send(fds[i], "\xc0", 2, MSG_NOSIGNAL);
            } else if (b[0] == 0xd0) state[i] = 0, pongs++;
        }
    }
    double used = cpu_us() - cpu;
    printf("{\"auths\":%ld,\"pongs\":%ld,\"busy\":%ld,\"waits_per_auth\":%.2f,\"cpu_us_per_auth\":%.3f}\n", answered, pongs, busy, (double)waits / answered, used / answered);
}
