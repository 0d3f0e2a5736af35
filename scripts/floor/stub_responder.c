// The cheapest MQTT peer: accepts every CONNECT (3.1.1 or 5.0) after an exact delay, answers
// PINGREQ, and AUTH (5.0) by success, closes on DISCONNECT, ignores the rest. Bench programs are measured against it because
// it costs little and adds nothing of its own. Listens on 127.0.0.1 only, prints "ready PORT".
// When the peer waits after DISCONNECT, we close first: TIME_WAIT then stays on our side, and the
// peer's source ports are free again at once. SIGTERM ends it.
//
//     cc -O2 -Wall -Wextra -o stub_responder stub_responder.c
//     stub_responder [PORT [DELAY_US]]        PORT 0 (default): any free one
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

enum { CONNECT = 1, PINGREQ = 12, DISCONNECT = 14, AUTH = 15 };
enum { LEVEL_AT = 6, QUEUE = 1 << 20, MAX_FDS = 1 << 20 };

// Packets are taken apart byte by byte as they come, so it does not matter how reads split or join
// them, and nothing has to be kept: of a CONNECT only the protocol level is of interest.
struct conn {
    uint32_t generation; // tells a connection from the next one with the same descriptor
    uint32_t length, at;
    uint8_t stage, type, shift, level, connected;
};
enum { HEADER, LENGTH, BODY };

static struct conn conns[MAX_FDS]; // pages are only touched for descriptors in use
static struct { uint64_t due_ns; uint32_t generation; int fd; } queue[QUEUE];
static unsigned queue_head, queue_tail; // one delay for all, so first in is first due
static uint64_t delay_ns;

static void die(const char *what) { perror(what); exit(1); }

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void drop(int fd) {
    conns[fd].generation++;
    close(fd);
}

static void send_connack(int fd) {
    // A failing send means the peer is gone, which the next read tells as well.
    if (conns[fd].level == 5) send(fd, "\x20\x03\0\0\0", 5, MSG_NOSIGNAL);
    else send(fd, "\x20\x02\0\0", 4, MSG_NOSIGNAL);
}

static void send_due(void) {
    for (; queue_head != queue_tail && queue[queue_head % QUEUE].due_ns <= now_ns(); queue_head++) {
        int fd = queue[queue_head % QUEUE].fd;
        if (conns[fd].generation == queue[queue_head % QUEUE].generation) send_connack(fd);
    }
}

static int packet_complete(int fd) { // 0: the connection is over
    struct conn *c = &conns[fd];
    if (c->type == CONNECT && !c->connected && (c->level == 4 || c->level == 5)) {
        c->connected = 1;
        if (delay_ns == 0) { send_connack(fd); return 1; }
        if (queue_tail - queue_head == QUEUE) { fprintf(stderr, "too many answers due\n"); exit(1); }
        queue[queue_tail % QUEUE].due_ns = now_ns() + delay_ns;
        queue[queue_tail % QUEUE].generation = c->generation;
        queue[queue_tail++ % QUEUE].fd = fd;
        return 1;
    }
    if (c->type == CONNECT || c->type == DISCONNECT) return 0;
    if (c->type == PINGREQ) send(fd, "\xd0\0", 2, MSG_NOSIGNAL);
    if (c->type == AUTH) send(fd, "\xf0\0", 2, MSG_NOSIGNAL);
    return 1;
}

static int feed(int fd, const uint8_t *p, size_t n) { // 0: the connection is over
    struct conn *c = &conns[fd];
    while (n > 0) {
        size_t taken = 1;
        if (c->stage == HEADER) {
            c->type = *p >> 4;
            if (!c->connected && c->type != CONNECT) return 0;
            c->length = c->at = c->shift = 0;
            c->stage = LENGTH;
        } else if (c->stage == LENGTH) {
            c->length |= (uint32_t)(*p & 127) << c->shift;
            c->shift += 7;
            if (!(*p & 128)) c->stage = BODY;
            else if (c->shift > 21) return 0; // a length of more than four bytes
        } else {
            taken = n < c->length - c->at ? n : c->length - c->at;
            if (c->type == CONNECT && c->at <= LEVEL_AT && c->at + taken > LEVEL_AT) c->level = p[LEVEL_AT - c->at];
            c->at += taken;
        }
        p += taken;
        n -= taken;
        if (c->stage == BODY && c->at == c->length) {
            c->stage = HEADER;
            if (!packet_complete(fd)) return 0;
        }
    }
    return 1;
}

static void accept_all(int listener, int epoll_fd) {
    static const int one = 1;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)) return;
        if (fd < 0 || fd >= MAX_FDS) die("accept"); // out of descriptors: better dead than silently slow
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        conns[fd] = (struct conn){.generation = conns[fd].generation};
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
    }
}

static int listen_on(int port) {
    static const int one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (void *)&at, sizeof at) == 0 && listen(fd, 4096) == 0) return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int main(int argc, char **argv) {
    int port = 0;
    if (argc > 1) port = atoi(argv[1]);
    if (argc > 2) delay_ns = strtoull(argv[2], NULL, 10) * 1000;

    struct rlimit files = {MAX_FDS, MAX_FDS}; // more than the hard limit only works for root
    if (setrlimit(RLIMIT_NOFILE, &files)) {
        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    prctl(PR_SET_TIMERSLACK, 1); // the default lets a sleep end 50 us late on purpose
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC), listener = listen_on(port);
    // The kernel has no free port to give while a client's TIME_WAIT covers the ephemeral range, which
    // a storm from one address does. Below the range there is one.
    for (int low = 10000; listener < 0 && port == 0 && errno == EADDRINUSE && low < 32768; low++) listener = listen_on(low);
    if (listener < 0 || epoll_fd < 0) die("listen");
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e);
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    if (getsockname(listener, (void *)&at, &size)) die("getsockname");
    printf("ready %d\n", ntohs(at.sin_port));
    fflush(stdout);

    static uint8_t buf[65536];
    for (;;) {
        struct timespec ts, *timeout = NULL;
        if (queue_head != queue_tail) {
            uint64_t t = now_ns(), due = queue[queue_head % QUEUE].due_ns, wait = due > t ? due - t : 0;
            ts = (struct timespec){.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
            timeout = &ts;
        }
        int n = epoll_pwait2(epoll_fd, events, 256, timeout, NULL);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) { accept_all(listener, epoll_fd); continue; }
            ssize_t got = recv(fd, buf, sizeof buf, 0);
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0 || !feed(fd, buf, got)) drop(fd);
            send_due(); // between events too, or a full batch would make answers late
        }
        send_due();
    }
}
