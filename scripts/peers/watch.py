#!/usr/bin/env python3
"""Runs a load generator and measures it from outside, the same way for each: prints one JSON object.

    watch.py --server PID --clients N [--log FILE] [--hold S] [--leaves | --until-exit] --out FILE -- COMMAND...

How many connections are open is read from the server, as the number of its descriptors (`stat /proc/PID/fd`, Linux 6.2 and
newer). CPU is user and system time of the whole process tree of the command, to the nanosecond, by the clock that each
process has; memory is the resident memory of the tree. Both are sampled every 10 ms: just before the first connection, when the
last one came, and after they have been held open.

--leaves      the command's clients do not stay: time and CPU count from the first connection to its exit
--until-exit  the command ends by itself and reports; else it is ended once memory was read
"""
import argparse, ctypes, json, os, resource, signal, subprocess, sys, time

STEP_S = 0.01  # finer would cost a noticeable part of a core
TREE_S = 0.25  # a look through /proc for new processes; they all start before the first connection
STALLED_S = 5  # no new connection for so long: the rest do not come
PAGE = os.sysconf("SC_PAGE_SIZE")
PR_SET_CHILD_SUBREAPER = 36


def tree(root):
    """The process and all its descendants, among them those whose parents have ended (their new parent is this one)."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = open(f"/proc/{name}/stat").read().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                children.setdefault(int(fields[1]), []).append(int(name))
    found, todo = [], [root]
    while todo:
        for pid in children.get(todo.pop(), []):
            found.append(pid)
            todo.append(pid)
    return found


def cpu_s(pids):
    total = 0
    for pid in pids:
        try:
            total += time.clock_gettime_ns((~pid) << 3 | 2)  # clock_getcpuclockid(3)
        except OSError:
            pass
    return total / 1e9


def resident(pids):
    total = 0
    for pid in pids:
        try:
            total += int(open(f"/proc/{pid}/statm").read().split()[1]) * PAGE
        except OSError:
            pass
    return total


def end_all():
    """Ends what is left of the tree (what the command had to say it has said), and collects it, so that its time is counted."""
    for pid in tree(os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def settled(read):
    """The figure, once it is the same twice: the server may still be closing what was open before."""
    last = None
    for _ in range(100):
        now = read()
        if now == last:
            break
        last = now
        time.sleep(0.2)
    return now


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", type=int, required=True)
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--log", help="the server's log: Mosquitto writes a line for each client that it let in")
    parser.add_argument("--hold", type=float, default=1.5)
    parser.add_argument("--leaves", action="store_true")
    parser.add_argument("--until-exit", action="store_true")
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--out", required=True, help="where the command's own output goes")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def main():
    asked = arguments()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Interrupted or not, nothing of the command stays behind.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))
    descriptors = lambda: os.stat(f"/proc/{asked.server}/fd").st_size
    base = settled(descriptors)
    log_at = os.path.getsize(asked.log) if asked.log else 0
    try:
        with open(asked.out, "w") as out:
            child = subprocess.Popen(asked.command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                     start_new_session=True)
        result = watch(asked, child, lambda: descriptors() - base)
    finally:
        end_all()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    result["cpu_total_s"] = usage.ru_utime + usage.ru_stime
    if asked.log:
        with open(asked.log, errors="replace") as log:
            log.seek(log_at)
            result["connects"] = sum("New client connected" in line for line in log)
    summed_up(asked, result)
    print(json.dumps(result))


def watch(asked, child, opened):
    """Samples until the command has ended or is no longer needed."""
    start = time.monotonic()
    pids, looked = [], -TREE_S
    before = first = full = held = None
    most, grown, code = 0, start, None
    while (now := time.monotonic()) < start + asked.timeout:
        count = opened()
        if now - looked >= TREE_S:
            pids, looked = tree(os.getpid()), now
        if first is None and count <= 0:
            before = {"cpu": cpu_s(pids), "rss": resident(pids)}
        elif first is None:
            first = now
        if count > most:
            most, grown = count, now
            full = {"at": now, "open": most, "cpu": cpu_s(pids)}
        if not asked.leaves and count >= min(most, asked.clients) > 0 and now >= grown + asked.hold / 2:
            rss = resident(pids)
            held = {"open": count, "rss": rss} if rss else held
        try:
            ended, status = os.waitpid(child.pid, os.WNOHANG)
        except ChildProcessError:
            ended, status = child.pid, 0
        if ended:
            child.returncode = code = os.waitstatus_to_exitcode(status)
            break
        if not asked.until_exit and not asked.leaves:
            if most >= asked.clients and now >= grown + asked.hold or most and now >= grown + STALLED_S:
                break
        time.sleep(STEP_S)
    return {"before": before, "first": first and first - start, "ended": time.monotonic() - start, "full": full and
            dict(full, at=full["at"] - start), "held": held, "peak_open": most, "exit": code,
            "timed_out": time.monotonic() >= start + asked.timeout}


def summed_up(asked, result):
    """Adds the figures of the table."""
    before, first, full, held = (result[key] for key in ("before", "first", "full", "held"))
    if first is None or before is None:
        return
    result["start_up_cpu_s"] = before["cpu"]
    connects = result.get("connects", full["open"])
    if asked.leaves:
        result["rate"] = connects / (result["ended"] - first)
        result["cpu_us"] = (result["cpu_total_s"] - before["cpu"]) / max(1, connects) * 1e6
    else:
        result["rate"] = full["open"] / max(STEP_S, full["at"] - first)
        result["cpu_us"] = (full["cpu"] - before["cpu"]) / full["open"] * 1e6
        if held:
            result["bytes"] = (held["rss"] - before["rss"]) / held["open"]


main()
