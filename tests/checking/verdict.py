"""Holds what is stored against what was sent and acknowledged."""

from collections import Counter
from datetime import timedelta

import duckdb

from checking.writers import EPOCH, number_of, tag_of, value_of


class Verdict:
    """What was found wrong, each sample once, with the first few of each kind as examples."""

    KINDS = ("lost", "duplicated", "foreign", "wrong", "torn", "disagreeing")

    def __init__(self):
        self.found = {kind: set() for kind in self.KINDS}
        self.complaints = []

    def add(self, kind, what):
        self.found[kind].add(what)

    def bad(self):
        return bool(self.complaints) or any(self.found.values())

    def report(self):
        counts = {kind: len(found) for kind, found in self.found.items()}
        examples = {kind: sorted(found)[:5] for kind, found in self.found.items() if found}
        return counts | {"examples": examples, "complaints": self.complaints[:20]}


def compare(rows, writers, verdict):
    """Holds rows of (tag, micros, value) against what the writers sent."""
    stored = Counter()
    for tag, micros, value in rows:
        number = number_of(micros)
        writer = writer_of(tag, writers)
        if writer is None or number is None or number >= writer.sent:
            verdict.add("foreign", f"{tag} {micros} {value}")
            continue
        if tag_of(writer.number, number) != tag:
            verdict.add("foreign", f"{tag} {micros} {value}")
        elif not same(value, value_of(writer.number, number)):
            verdict.add("wrong", f"{tag} {micros} {value}")
        stored[(writer.number, number)] += 1
    for (writer, number), count in stored.items():
        if count > 1:
            verdict.add("duplicated", f"w{writer} #{number}")
    for writer in writers:
        for first, end in writer.acknowledged:
            for number in range(first, end):
                if stored[(writer.number, number)] == 0:
                    verdict.add("lost", f"w{writer.number} #{number}")
        if writer.open_batch is not None:
            _, first, end = writer.open_batch
            there = sum(stored[(writer.number, number)] > 0 for number in range(first, end))
            if there not in (0, end - first):
                verdict.add("torn", f"w{writer.number} #{first}..{end}: {there}")
    return sum(stored.values())


def writer_of(tag, writers):
    parts = tag.split("/")
    if len(parts) == 4 and parts[0] == "check" and parts[1][1:].isdigit():
        number = int(parts[1][1:])
        return writers[number] if number < len(writers) else None
    return None


def same(stored, expected):
    """The same number of the same type, to the bit."""
    return type(stored) is type(expected) and stored == expected


def micros_of(moment):
    return (moment - EPOCH) // timedelta(microseconds=1)


def rows_over_postgres(server):
    """Every version of every sample, and what `samples` counts."""
    with server.postgres() as connection, connection.cursor(binary=True) as cursor:
        cursor.execute(
            "SELECT signal, time, value, value_int FROM samples_history WHERE signal LIKE 'check/%'"
        )
        rows = [
            (tag, micros_of(moment), value if whole is None else whole)
            for tag, moment, value, whole in cursor
        ]
        cursor.execute("SELECT count(*) FROM samples WHERE signal LIKE 'check/%'")
        newest = cursor.fetchone()[0]
        cursor.execute("SELECT DISTINCT signal_id, signal FROM samples WHERE signal LIKE 'check/%'")
        names = dict(cursor.fetchall())
    return rows, newest, names


def rows_over_segments(data, names):
    """Every sample in the segments, by a reader of another maker."""
    segments = sorted((data / "segments").rglob("*.parquet"))
    if not segments:
        return 0, []
    rows = duckdb.sql(
        "SELECT signal_id, epoch_us(time), coalesce(value, (base + steps * step) / divisor, "
        "(base + steps * step)::FLOAT), value_int FROM "
        f"read_parquet({[str(segment) for segment in segments]})"
    ).fetchall()
    return len(segments), [
        (names.get(signal, f"id {signal}"), micros, value if whole is None else whole)
        for signal, micros, value, whole in rows
    ]


def verify(server, writers, verdict):
    """Asks the running server; the writers rest."""
    rows, newest, names = rows_over_postgres(server)
    stored = compare(rows, writers, verdict)
    distinct = len({(tag, micros) for tag, micros, _ in rows})
    if newest != distinct:
        verdict.add("disagreeing", f"samples has {newest} rows, samples_history {distinct} places")
    return stored, names
