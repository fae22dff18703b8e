"""Makes the n-th fsync or write of a real server fail, and holds it to its word.

For every n a server starts on a copy of one data folder and is written to until it ends. It must
acknowledge nothing after the log's disk has failed, and end by itself with an exit code. Then the
folder must be good, the server must start again, and everything acknowledged must be there.
"""

import argparse
import http.client
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from checking.server import BASIC, Failure, Server

HERE = Path(__file__).resolve().parent
# Writes after which a server that is not hit is stopped.
WRITES_MAX = 400
# Writes that the folder holds before.
BEFORE = 20
# Ends what hangs.
HANG_MAX = 60.0
# A file of the log that fails ends the server; other files are written again.
FATAL = ("/log/", "/watermark")
# But for the list of keyspaces merged anew: if that fails the store keeps what it has, and tells.
TOLD = ("/log/keyspaces/0", "Meta keyspace maintenance failed")


def build_shim(folder):
    shim = folder / "failing.so"
    source = HERE / "faults" / "failing.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
    return shim


def write(connection, number):
    """One write; True if it was acknowledged."""
    headers = {"Authorization": BASIC}
    line = f"w v={number}i {number}000"
    connection.request("POST", "/api/v1/write?precision=ns", line, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status == 204


def template(options, folder):
    """A folder that was written and restarted, so that its files are short and all in use."""
    server = Server(options.parx, folder, [])
    server.start()
    connection = http.client.HTTPConnection(server.doors["http"], timeout=HANG_MAX)
    for number in range(1, BEFORE + 1):
        if not write(connection, number):
            raise Failure("the folder could not be written")
    server.stop()
    server.start()
    server.stop()
    return server


class Case:
    """One server, of which one call fails."""

    def __init__(self, options, shim, folder, calls, at):
        self.options, self.shim, self.folder = options, shim, folder
        self.calls, self.at = calls, at
        self.log = folder / "failed.txt"
        self.acknowledged = list(range(1, BEFORE + 1))
        self.after = 0
        self.seconds = None
        self.complaints = []

    def complain(self, what):
        self.complaints.append(f"{self.calls} {self.at} ({self.failed() or 'not reached'}): {what}")

    def failed(self):
        """When, how and where it failed."""
        text = self.log.read_text() if self.log.exists() else ""
        return text.strip() or None

    def fatal(self, server):
        failed = self.failed() or ""
        place, words = TOLD
        if f"{place}/" in f"{failed}/" and words in server.trace.read_text(errors="replace"):
            return False
        return any(part in failed for part in FATAL)

    def server(self, faulty):
        server = Server(self.options.parx, self.folder, self.options.switch)
        if faulty:
            server.environment |= {
                "LD_PRELOAD": str(self.shim),
                "PARX_FAULT_FOLDER": str(server.data),
                "PARX_FAULT_CALLS": self.calls,
                "PARX_FAULT_AT": str(self.at),
                "PARX_FAULT_ERRNO": str(self.options.errno),
                "PARX_FAULT_LOG": str(self.log),
            }
        return server

    def run(self):
        server = self.server(faulty=True)
        try:
            server.start()
            self.load(server)
        except Failure:
            if self.failed() is None:
                self.complain("it did not start, and nothing had failed: " + server.last_words())
        finally:
            server.end()
        self.check()

    def load(self, server):
        """Writes until the server ends, or until it has survived what failed."""
        connection = http.client.HTTPConnection(server.doors["http"], timeout=HANG_MAX)
        for number in range(BEFORE + 1, BEFORE + 1 + WRITES_MAX):
            began = time.monotonic()
            try:
                done = write(connection, number)
            except (OSError, http.client.HTTPException):
                done = False
            if done:
                self.acknowledged.append(number)
                failed = self.failed()
                if failed and began > float(failed.split()[0]) and ".jnl" in failed:
                    self.after += 1
            if server.process.poll() is not None or (not done and self.failed()):
                break
        self.wait_end(server)

    def wait_end(self, server):
        if not self.fatal(server):
            if server.process.poll() is not None and not self.failed():
                self.complain(f"it ended by itself: {server.last_words()}")
            return
        try:
            code = server.process.wait(timeout=HANG_MAX)
        except subprocess.TimeoutExpired:
            self.complain(f"it goes on: {server.last_words()}")
            return
        self.seconds = time.monotonic() - float(self.failed().split()[0])
        if code == 0:
            self.complain("it ended with 0")
        if "stopped taking writes" not in server.last_words():
            self.complain(f"it does not say why: {server.last_words()}")

    def check(self):
        """The folder must be good, and everything acknowledged must be there."""
        server = self.server(faulty=False)
        verify = [str(self.options.parx), "verify", str(server.data), "--json"]
        verified = subprocess.run(verify, capture_output=True, text=True, timeout=HANG_MAX)
        if verified.returncode != 0:
            self.complain(f"the folder is not good: {verified.stdout} {verified.stderr}")
        try:
            server.start()
            with server.postgres() as connection:
                rows = connection.execute(
                    "SELECT value_int, count(*) FROM samples_history WHERE signal = 'w/v' "
                    "GROUP BY 1"
                ).fetchall()
            server.stop()
        except (Failure, psycopg.Error) as failure:
            self.complain(f"after it: {failure}")
            return
        finally:
            server.end()
        stored = {int(number): int(count) for number, count in rows}
        lost = [number for number in self.acknowledged if number not in stored]
        twice = [number for number, count in stored.items() if count > 1]
        if lost:
            self.complain(f"acknowledged and lost: {lost[:10]}")
        if twice:
            self.complain(f"stored twice: {twice[:10]}")
        if self.after:
            self.complain(f"{self.after} acknowledged after the journal had failed")


def numbers(text):
    """1-300, 1-300:7 or 3,9,27"""
    span, _, step = text.partition(":")
    first, dash, last = span.partition("-")
    if dash:
        return list(range(int(first), int(last) + 1, int(step or 1)))
    return [int(number) for number in span.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parx", type=Path, required=True, help="the binary")
    parser.add_argument("--at", type=numbers, default="1-300", help="which calls fail")
    parser.add_argument("--calls", nargs="+", default=["sync", "write"])
    parser.add_argument("--errno", type=int, default=5)
    parser.add_argument("--switch", action="append", default=[], help="a fault on purpose")
    parser.add_argument("--expect", metavar="WORDS", help="content if this is complained of")
    parser.add_argument("--progress", action="store_true")
    options = parser.parse_args()
    options.parx = options.parx.resolve()
    root = Path(tempfile.mkdtemp(prefix="parx-failing-"))
    shim = build_shim(root)
    template(options, root_of(root, "template"))
    complaints, seconds, reached, cases, acknowledged = [], [], 0, 0, 0
    for calls in options.calls:
        for at in options.at:
            folder = root / f"{calls}-{at}"
            shutil.copytree(root / "template", folder)
            case = Case(options, shim, folder, calls, at)
            case.run()
            cases += 1
            reached += case.failed() is not None
            acknowledged += len(case.acknowledged)
            seconds += [case.seconds] if case.seconds is not None else []
            complaints += case.complaints
            if options.progress:
                print(f"{calls} {at}: {case.failed()} {case.complaints}", file=sys.stderr)
            if not case.complaints:
                shutil.rmtree(folder)
    report = {
        "cases": cases,
        "failed": reached,
        "ended": len(seconds),
        "longest_end_s": round(max(seconds, default=0.0), 2),
        "acknowledged": acknowledged,
        "complaints": complaints[:40],
        "complaints_in_all": len(complaints),
    }
    print(json.dumps(report, indent=2))
    if options.expect or not complaints:
        shutil.rmtree(root)
    sys.exit(0 if content(complaints, options.expect) else 1)


def content(complaints, expected):
    """Nothing is wrong; or what is expected is, where the server misbehaves on purpose."""
    if expected:
        return any(expected in text for text in complaints)
    return not complaints


def root_of(root, name):
    folder = root / name
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
