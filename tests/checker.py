"""Kills a ParX server under load, again and again, and proves that it keeps its promises.

Writers send batches through every door that takes samples: line protocol over HTTP, Arrow over
Flight, GraphQL. Each notes on disk what it is about to send and what was acknowledged. They correct
samples and delete some; what was not acknowledged they send again with the same numbers, and now
and then what was acknowledged as well. A nemesis ends the server with SIGKILL at seeded moments: at
work, standing still, starting, ending.

A verifier reads those notes and asks: is every acknowledged sample there, once, with its value (L2,
I3), every batch whole or not at all, in the order of its producer, and nothing that was never sent?
Does the newest version win, and is what was deleted gone? It asks over Postgres, Flight SQL and
GraphQL while the server runs, and reads the raw segments with DuckDB once it is off (C1, C2, C4).

    python tests/checker.py --parx target/debug/parx --rounds 500 --points 1000000 --seed 1

It shares no code with the server. Its report is one JSON object on standard output; it exits with 1
if anything is lost, doubled, torn, foreign, wrong, out of order or stale. With `--switch
ack-before-commit` or `--switch store-batches-again` the server misbehaves on purpose, and the
checker has to see it; with `--expect lost` it is content if it does, and only then.
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

import adbc_driver_manager
import duckdb
import psycopg

from checking.nemesis import Nemesis
from checking.readers import from_segments, names, over_flight, over_graphql, over_postgres
from checking.server import REQUEST_MAX, Failure, Server
from checking.truth import KINDS, Truth, Verdict
from checking.writers import Gate, Writer

COMPACTION_MAX = 180.0
SQL = {"Postgres": over_postgres, "Flight": over_flight}
BROKEN = (
    psycopg.Error,
    adbc_driver_manager.Error,
    duckdb.Error,
    OSError,
    http.client.HTTPException,
    subprocess.TimeoutExpired,
)


def verify(server, truth, doors):
    """Asks the running server over some of its doors while the writers rest."""
    truth.read()
    stored = 0
    for door in doors:
        if door == "GraphQL":
            trend = over_graphql(server, truth.samples)
            truth.check_trend(door, trend)
        else:
            stored = truth.check_history(door, SQL[door](server, "samples_history"))
            truth.check_newest(door, SQL[door](server, "samples"))
    return stored


def rounds(options, server, gate, nemesis, truth):
    """Kills and starts, and now and then asks through the next door."""
    for number in range(1, options.rounds + 1):
        began = time.monotonic()
        server.start()
        if number % options.verify_every == 0:
            door = list(SQL)[number // options.verify_every % len(SQL)]
            verify(server, truth, [door, "GraphQL"])
        nemesis.round()
        if options.progress:
            seconds = time.monotonic() - began
            print(f"round {number}: {gate.samples} samples, {seconds:.2f} s", file=sys.stderr)


def settle(options, server, gate, writers):
    """Starts once more; the writers send what is not acknowledged, and go on to the points."""
    server.start()
    gate.open(server.doors)
    if not gate.wait_acknowledged(gate.acknowledged + 2 * len(writers), REQUEST_MAX):
        raise Failure("it acknowledged next to nothing after the last start")
    while gate.samples < options.points:
        if not gate.wait_acknowledged(gate.acknowledged + 1, REQUEST_MAX):
            raise Failure("it acknowledges nothing any more")
    gate.close()
    gate.end()
    for writer in writers:
        writer.join(timeout=REQUEST_MAX)


def wait_compacted(server):
    """Waits until the segments hold every sample."""
    with server.postgres() as connection:
        wanted = connection.execute("SELECT max(sequence) FROM samples_history").fetchone()[0]
    deadline = time.monotonic() + COMPACTION_MAX
    while time.monotonic() < deadline:
        answer = server.graphql("{ server { compactedThrough } }")["server"]
        if int(answer["compactedThrough"]) >= wanted:
            return
        time.sleep(0.1)
    raise Failure(f"not everything was compacted in {COMPACTION_MAX} s")


def check(options, server, gate, writers, nemesis, truth, report):
    """The whole course; what is bad is in the verdict."""
    for writer in writers:
        writer.start()
    rounds(options, server, gate, nemesis, truth)
    settle(options, server, gate, writers)
    doors = [*SQL, "GraphQL"]
    report["stored"] = verify(server, truth, doors)
    wait_compacted(server)
    after = verify(server, truth, doors)
    if after != report["stored"]:
        raise Failure(f"{report['stored']} rows before compaction, {after} after")
    tags = names(server)
    server.stop()
    report["segments"], rows = from_segments(server.data, tags)
    report["in_segments"] = truth.check_history("segments", rows)


def run(options, folder):
    server = Server(options.parx.resolve(), folder, options.switch)
    gate = Gate()
    writers = [Writer(number, options.seed, gate, folder) for number in range(options.writers)]
    nemesis = Nemesis(options.seed, server, gate)
    verdict = Verdict()
    truth = Truth(folder, options.writers, verdict)
    report = {"seed": options.seed, "stored": 0, "segments": 0, "in_segments": 0}
    begun = time.monotonic()
    try:
        check(options, server, gate, writers, nemesis, truth, report)
    except Failure as failure:
        verdict.complaints.append(str(failure))
    except BROKEN as error:
        verdict.complaints.append(f"{type(error).__name__}: {error}")
    finally:
        server.end()
        gate.end()
    for writer in writers:
        verdict.complaints += [f"w{writer.number}: {text}" for text in sorted(set(writer.refused))]
    lines = server.trace.read_text(errors="replace").splitlines()
    verdict.complaints += [line for line in lines if " ERROR " in line or "panicked" in line]
    truth.read()
    return verdict, report | truth.counts() | {
        "kills": server.kills,
        "starts": server.starts,
        "ends": nemesis.ends,
        "seconds": round(time.monotonic() - begun, 1),
        "batches": gate.acknowledged,
        "acknowledged": gate.samples,
        "through": {door: sum(w.through[door] for w in writers) for door in writers[0].through},
        "sent_again": sum(writer.resent for writer in writers),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parx", type=Path, required=True, help="the binary")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--points", type=int, default=0, help="samples to acknowledge at least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--verify-every", type=int, default=50, metavar="ROUNDS")
    parser.add_argument("--switch", action="append", default=[], help="a fault on purpose")
    parser.add_argument("--expect", choices=KINDS, help="content if this is found")
    parser.add_argument("--folder", type=Path, help="where to work; kept (default: thrown away)")
    parser.add_argument("--progress", action="store_true", help="say each round")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="parx-checker-"))
    folder.mkdir(parents=True, exist_ok=True)
    verdict, report = run(options, folder)
    print(json.dumps(report | verdict.report(), indent=2))
    if options.folder is None and (options.expect or not verdict.bad()):
        shutil.rmtree(folder)
    elif verdict.bad():
        print(f"the server's data and words are in {folder}", file=sys.stderr)
    content = verdict.found[options.expect] if options.expect else not verdict.bad()
    sys.exit(0 if content else 1)


if __name__ == "__main__":
    main()
