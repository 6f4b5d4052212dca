"""Measures Crake and its rivals in turn and prints a table as Markdown. `bench/compare` calls it with the two binaries."""

import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from shield import shielded

CRAKE, ICEORYX2, *OPTIONS = sys.argv[1:]
PORT = 26379
# How often Crake and iceoryx2 take turns, and Crake's repetitions in each.
TURNS = 5
REPETITIONS_PER_TURN = 3
# A rival that hangs is an error, not a night lost.
PATIENCE_S = 300


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Where iceoryx2's files and Redis's socket are.
    work = tempfile.mkdtemp(prefix="crake-compare-")
    try:
        rows = beside_redis(work) + [beside_iceoryx2(work)]
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("| operation | crake | rival | ratio | bar | met |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(row)


def beside_redis(work):
    tcp, unix = f"redis://127.0.0.1:{PORT}", f"redis+unix://{work}/redis.sock"
    with redis(work):
        return [
            get("tcp", "TCP", tcp),
            get_many("tcp", "TCP", tcp),
            get("unix", "a Unix socket", unix),
            get("shm", "a Unix socket", unix),
        ]


def get(transport, way, url):
    row = crake("get-key", "-s", "1KiB", "--transport", transport, "--against", url)
    what = f"get of 1 KiB over {transport}, one at a time, p50; Redis over {way}"
    return line(what, us(row["p50_ns"]), us(row["raw_p50_ns"]), row["ratio"], "<=", 0.7)


def get_many(transport, way, url):
    row = crake("get-key-async", "-b", "128", "-s", "1KiB", "--transport", transport, "--against", url)
    what = f"gets of 1 KiB over {transport}, 128 in flight; Redis over {way}"
    return line(what, rate(row["ops_per_s"]), rate(row["raw_ops_per_s"]), row["ratio"], ">=", 3)


def beside_iceoryx2(work):
    """Medians over turns: they are two programs, so `crake bench` cannot take turns with it itself."""
    ours, theirs = [], []
    for _ in range(TURNS):
        row = crake("rpc", "-s", "64", "--transport", "shm", "--repetitions", str(REPETITIONS_PER_TURN))
        ours.append(row["p50_ns"])
        theirs.append(iceoryx2(work)["p50_ns"])
    what = "round trip of 64 B through shared memory, p50; iceoryx2, publish-subscribe"
    # The cores may have been near in one turn and far in the next.
    ratio = statistics.median(our / their for our, their in zip(ours, theirs))
    return line(what, us(statistics.median(ours)), us(statistics.median(theirs)), ratio, "<", 1)


def crake(*arguments):
    """The summary of `crake bench`, which shields itself."""
    ran = subprocess.run(
        [CRAKE, "bench", *arguments, "--json", *OPTIONS], stdout=subprocess.PIPE, text=True, check=True
    )
    row = json.loads(ran.stdout.splitlines()[-1])
    cores = "near" if row["near"] else "far"
    print(f"crake {' '.join(arguments)}: ratio {row['ratio']:.2f}, cores {cores}", file=sys.stderr)
    return row


def iceoryx2(work):
    """One run. What it leaves in /dev/shm if it is killed has this prefix."""
    prefix = f"crake_compare_{os.getpid()}_"
    try:
        with shielded([ICEORYX2, work, prefix, *map(str, cores())], stdout=subprocess.PIPE) as rival:
            told, _ = rival.communicate(timeout=PATIENCE_S)
    finally:
        for name in os.listdir("/dev/shm"):
            if name.startswith(prefix):
                os.remove(f"/dev/shm/{name}")
    if rival.returncode != 0:
        sys.exit(f"iceoryx2 ended with {rival.returncode}")
    row = json.loads(told)
    print(f"iceoryx2: p50 {us(row['p50_ns'])}", file=sys.stderr)
    return row


@contextlib.contextmanager
def redis(work):
    """A server at the port and at the socket."""
    command = ["taskset", "-c", str(cores()[1]), "redis-server", "--port", str(PORT), "--bind", "127.0.0.1"]
    command += ["--unixsocket", f"{work}/redis.sock", "--dir", work]
    with open(f"{work}/log", "w") as log, shielded(command, stdout=log, stderr=log) as server:
        wait_for(server, f"{work}/redis.sock", f"{work}/log")
        print(subprocess.check_output(["redis-server", "--version"], text=True), end="", file=sys.stderr)
        yield


def wait_for(server, path, log):
    for _ in range(50):
        with socket.socket(socket.AF_UNIX) as client:
            if client.connect_ex(path) == 0:
                return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit("redis-server does not serve:\n" + open(log).read())


def cores():
    """The client's and the server's, as `crake bench` chooses them."""
    return sorted(os.sched_getaffinity(0))[:2]


def line(what, ours, theirs, ratio, comparison, bar):
    met = {"<=": ratio <= bar, ">=": ratio >= bar, "<": ratio < bar}[comparison]
    return f"| {what} | {ours} | {theirs} | {ratio:.2f} | {comparison} {bar} | {'yes' if met else '**no**'} |"


def us(ns):
    return f"{ns / 1000:.2f} us"


def rate(per_s):
    return f"{per_s / 1e6:.2f} M/s"


main()
