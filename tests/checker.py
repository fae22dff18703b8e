"""Kills a ParX server under load, again and again, and proves that it keeps its promises.

Writers send numbered batches over HTTP and note every acknowledgement in a file of their own. A
nemesis ends the server with SIGKILL at seeded moments and starts it again; what was not
acknowledged is sent again with the same numbers, and now and then what was acknowledged as well.
A verifier then asks: is every acknowledged sample there, once, with its value (L2, I3), is every
batch there whole or not at all, and is nothing there that was never sent? It asks over Postgres
while the server runs, and over the raw segments with DuckDB once it is off (C1, C2, C4).

    python tests/checker.py --parx target/debug/parx --rounds 200 --seed 1

It shares no code with the server. Its report is one JSON object on standard output; it exits with 1
if anything is lost, doubled, torn, foreign or wrong. With `--switch ack-before-commit` or
`--switch store-batches-again` the server misbehaves on purpose, and the checker has to see it.
"""

import argparse
import http.client
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import psycopg

from checking.server import REQUEST_MAX, Failure, Server
from checking.verdict import Verdict, compare, rows_over_segments, verify
from checking.writers import Gate, Writer

COMPACTION_MAX = 180.0


def rounds(options, server, gate, writers, verdict):
    """Kills and starts; answers how often."""
    chance = random.Random(options.seed)
    for round_number in range(1, options.rounds + 1):
        server.start()
        if round_number % options.verify_every == 0:
            verify(server, writers, verdict)
        before = gate.acknowledged
        gate.open(server.doors["http"])
        # Half of the kills are counted from the doors, half from when writing has begun.
        if round_number % 2 == 0:
            gate.wait_acknowledged(before + 1, 10.0)
        time.sleep(chance.uniform(0.05, 0.7))
        server.kill()
        gate.close()
        if options.progress:
            print(f"round {round_number}: {gate.acknowledged} batches", file=sys.stderr)


def settle(server, gate, writers):
    """Starts once more and lets the writers send again what was not acknowledged."""
    server.start()
    before = gate.acknowledged
    gate.open(server.doors["http"])
    if not gate.wait_acknowledged(before + 2 * len(writers), REQUEST_MAX):
        raise Failure("it acknowledged next to nothing after the last start")
    gate.close()
    with gate.condition:
        gate.over = True
        gate.condition.notify_all()
    for writer in writers:
        writer.join(timeout=REQUEST_MAX)


def wait_compacted(server):
    """Waits until the segments hold every sample."""
    with server.postgres() as connection:
        wanted = connection.execute("SELECT max(sequence) FROM samples_history").fetchone()[0]
    deadline = time.monotonic() + COMPACTION_MAX
    while time.monotonic() < deadline:
        if (
            int(server.graphql("{ server { compactedThrough } }")["server"]["compactedThrough"])
            >= wanted
        ):
            return True
        time.sleep(0.1)
    return False


def run(options, folder):
    server = Server(options.parx.resolve(), folder, options.switch)
    gate = Gate()
    writers = [Writer(number, options.seed, gate, folder) for number in range(options.writers)]
    verdict = Verdict()
    stored = segments = in_segments = 0
    begun = time.monotonic()
    try:
        for writer in writers:
            writer.start()
        rounds(options, server, gate, writers, verdict)
        settle(server, gate, writers)
        stored, names = verify(server, writers, verdict)
        if not wait_compacted(server):
            verdict.complaints.append(f"not everything was compacted in {COMPACTION_MAX} s")
        stored_after, _ = verify(server, writers, verdict)
        if stored_after != stored:
            verdict.add("disagreeing", f"{stored} rows before compaction, {stored_after} after")
        server.stop()
        segments, rows = rows_over_segments(server.data, names)
        in_segments = compare(rows, writers, verdict)
    except Failure as failure:
        verdict.complaints.append(str(failure))
    except (psycopg.Error, duckdb.Error, OSError, http.client.HTTPException) as error:
        verdict.complaints.append(f"{type(error).__name__}: {error}")
    finally:
        server.end()
    for writer in writers:
        verdict.complaints += [f"w{writer.number}: {text}" for text in set(writer.refused)]
    lines = server.trace.read_text(errors="replace").splitlines()
    verdict.complaints += [line for line in lines if " ERROR " in line or "panicked" in line]
    return verdict, {
        "seed": options.seed,
        "rounds": options.rounds,
        "starts": server.starts,
        "seconds": round(time.monotonic() - begun, 1),
        "batches": gate.acknowledged,
        "acknowledged": sum(end - first for w in writers for first, end in w.acknowledged),
        "sent_again": sum(writer.resent for writer in writers),
        "stored": stored,
        "segments": segments,
        "in_segments": in_segments,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parx", type=Path, required=True, help="the binary")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--verify-every", type=int, default=25, metavar="ROUNDS")
    parser.add_argument("--switch", action="append", default=[], help="a fault on purpose")
    parser.add_argument("--folder", type=Path, help="where to work; kept (default: thrown away)")
    parser.add_argument("--progress", action="store_true", help="say each round")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="parx-checker-"))
    folder.mkdir(parents=True, exist_ok=True)
    verdict, report = run(options, folder)
    print(json.dumps(report | verdict.report(), indent=2))
    if options.folder is None and not verdict.bad():
        shutil.rmtree(folder)
    elif verdict.bad():
        print(f"the server's data and words are in {folder}", file=sys.stderr)
    sys.exit(1 if verdict.bad() else 0)


if __name__ == "__main__":
    main()
