"""Fills the disk under a real server and frees it, again and again, and holds it to its word.

While the disk is full writes must be refused with a status that says so, reads must go on, and
health must tell; once there is room writes must go on by themselves. Nothing acknowledged may be
lost. The disk is a file system in memory, mounted here, or in a namespace of its own where the
rights do not reach.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psycopg

from checking.server import BASIC, Failure, Server

DISK_MIB = 192
# How fast the disk fills.
FILL_MIB_PER_S = 100
# Ends what hangs.
HANG_MAX = 60.0


def mount(folder, size):
    """Mounts a disk of so many MiB; True if that is possible here."""
    options = ["-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(folder)]
    return subprocess.run(["mount", *options], capture_output=True).returncode == 0


def own_namespace():
    """Starts this program anew where it may mount, without touching the machine's mounts."""
    if "PARX_FULL_INSIDE" not in os.environ:
        os.environ["PARX_FULL_INSIDE"] = "1"
        me = [sys.executable, "-B", *sys.argv]
        namespace = ["unshare", "--mount", "--propagation", "private"]
        if os.getuid() != 0:
            namespace += ["--user", "--map-root-user"]
        os.execvp(namespace[0], namespace + me)


class Writer(threading.Thread):
    """Writes numbers one after the other, each until it is acknowledged."""

    def __init__(self, number, host):
        super().__init__(daemon=True)
        self.number, self.host = number, host
        self.acknowledged = 0
        self.refused = 0
        self.strange = []
        self.over = False

    def run(self):
        connection = http.client.HTTPConnection(self.host, timeout=HANG_MAX)
        headers = {"Authorization": BASIC}
        while not self.over:
            first = self.acknowledged * 100
            lines = "\n".join(f"w{self.number} v={first + i}i {first + i}000" for i in range(100))
            try:
                connection.request("POST", "/api/v1/write?precision=ns", lines, headers)
                answer = connection.getresponse()
                text = answer.read().decode()
            except (OSError, http.client.HTTPException) as error:
                self.strange.append(f"{type(error).__name__}: {error}")
                return
            if answer.status == 204:
                self.acknowledged += 1
            elif answer.status == 507:
                self.refused += 1
                time.sleep(0.02)
            else:
                self.strange.append(f"{answer.status}: {text}")
                return


def fill(path):
    """Writes until the disk is full."""
    step = bytes(1 << 20)
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                if file.write(step) != len(step):
                    return
            except OSError:
                return
            time.sleep(1 / FILL_MIB_PER_S)


def get(server, path):
    connection = http.client.HTTPConnection(server.doors["http"], timeout=HANG_MAX)
    connection.request("GET", path, headers={"Authorization": BASIC})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def until(server, what, ask):
    end = time.monotonic() + HANG_MAX
    while time.monotonic() < end and server.process.poll() is None:
        if ask():
            return
        time.sleep(0.01)
    raise Failure(f"it did not come that {what}")


def cycle(server, writers, ballast, report):
    """Fills the disk once and frees it."""
    before = [writer.refused for writer in writers]
    fill(ballast)
    full = time.monotonic()
    until(server, "writes are refused", lambda: all(w.refused > b for w, b in zip(writers, before)))
    report["longest_to_refuse_s"] = max(report["longest_to_refuse_s"], time.monotonic() - full)
    acknowledged = [writer.acknowledged for writer in writers]
    status, text = get(server, "/readyz")
    if status != 200 or "read-only" not in text:
        raise Failure(f"/readyz does not tell: {status} {text}")
    status, text = get(server, "/health")
    if status != 503 or "read-only" not in text:
        raise Failure(f"/health does not tell: {status} {text}")
    with server.postgres() as connection:
        rows = connection.execute("SELECT count(*) FROM samples_history").fetchone()[0]
    if rows < sum(acknowledged) * 100:
        raise Failure(f"{rows} rows can be read, {sum(acknowledged) * 100} were acknowledged")
    if [writer.acknowledged for writer in writers] != acknowledged:
        raise Failure("it took samples while the disk was full")
    ballast.unlink()
    free = time.monotonic()
    beside = list(zip(writers, acknowledged))
    until(server, "writes go on", lambda: all(w.acknowledged > a for w, a in beside))
    report["longest_to_resume_s"] = max(report["longest_to_resume_s"], time.monotonic() - free)
    time.sleep(0.3)


def check(server, writers):
    """Everything acknowledged is there once."""
    complaints = []
    with server.postgres() as connection:
        for writer in writers:
            rows = connection.execute(
                "SELECT value_int, count(*) FROM samples WHERE signal = %s GROUP BY 1",
                (f"w{writer.number}/v",),
            ).fetchall()
            stored = {int(number) for number, _ in rows}
            missing = set(range(writer.acknowledged * 100)) - stored
            if missing:
                complaints.append(f"w{writer.number}: {len(missing)} acknowledged are lost")
    return complaints


def run(options, folder):
    server = Server(options.parx.resolve(), folder, [])
    if options.unguarded:
        config = folder / "parx.toml"
        marks = "free_soft_percent = 0\nfree_hard_percent = 0\n"
        config.write_text(config.read_text().replace("[log]\n", "[log]\n" + marks))
    report = {"cycles": 0, "longest_to_refuse_s": 0.0, "longest_to_resume_s": 0.0}
    complaints = []
    writers = []
    try:
        server.start()
        writers = [Writer(number, server.doors["http"]) for number in range(2)]
        for writer in writers:
            writer.start()
        until(server, "writing begins", lambda: all(writer.acknowledged > 3 for writer in writers))
        for _ in range(options.cycles):
            cycle(server, writers, folder / "ballast", report)
            report["cycles"] += 1
        for writer in writers:
            writer.over = True
            writer.join(timeout=HANG_MAX)
        complaints += check(server, writers)
        server.stop()
        verify = [str(options.parx.resolve()), "verify", str(server.data)]
        verified = subprocess.run(verify, capture_output=True, text=True)
        if verified.returncode != 0:
            complaints.append(verified.stdout + verified.stderr)
        server.start()
        complaints += check(server, writers)
        server.stop()
    except (Failure, psycopg.Error, OSError, http.client.HTTPException) as failure:
        complaints.append(f"{type(failure).__name__}: {failure}; {server.last_words()}")
    finally:
        server.end()
    complaints += [text for writer in writers for text in writer.strange]
    report["acknowledged"] = sum(writer.acknowledged for writer in writers) * 100
    report["refused"] = sum(writer.refused for writer in writers)
    return report | {"complaints": complaints}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parx", type=Path, required=True, help="the binary")
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--unguarded", action="store_true", help="keep no space free, on purpose")
    parser.add_argument("--expect", metavar="WORDS", help="content if this is complained of")
    options = parser.parse_args()
    own_namespace()
    folder = Path(tempfile.mkdtemp(prefix="parx-full-"))
    if not mount(folder, DISK_MIB):
        print("a disk cannot be mounted here", file=sys.stderr)
        sys.exit(3)
    report = run(options, folder)
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True)
    folder.rmdir()
    print(json.dumps(report, indent=2))
    if options.expect:
        sys.exit(0 if any(options.expect in text for text in report["complaints"]) else 1)
    sys.exit(1 if report["complaints"] else 0)


if __name__ == "__main__":
    main()
