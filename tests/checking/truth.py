"""Holds what is stored against what the writers noted.

Everything that was sent stands in a table of DuckDB with what it has to be, whether it was
acknowledged, and which sequence the server gave it. Each door's answer is compared with it as a
set.
"""

import duckdb
import pyarrow as pa

from checking.records import Reader
from checking.samples import columns_of, tag_of, time_of, value_of

KINDS = {
    "lost": "acknowledged and not there",
    "duplicated": "stored more than once",
    "foreign": "there and never sent",
    "wrong": "there with another value than was sent",
    "torn": "a batch that is there in part",
    "disordered": "a producer's batches whose sequences do not ascend, or are not as answered",
    "stale": "in `samples`, but not the newest version that is valid, or missing there",
}
# Rows that are put into the table at a time.
ROWS = 100_000
EXAMPLES = 5
# Most faults of a kind that one look takes in.
FAULTS_MAX = 10_000

# One text for a value of any type, to the bit.
EXACT = """CASE WHEN value_text IS NOT NULL THEN 't' || value_text
    WHEN value_int IS NOT NULL THEN 'i' || value_int::VARCHAR
    ELSE 'f' || value::VARCHAR END"""

TABLES = """
CREATE TABLE steps (writer INT, place INT, epoch INT, number INT, rows INT,
    acknowledged BOOL DEFAULT false, answered BIGINT);
CREATE TABLE sent (writer INT, place INT, row INT, tag VARCHAR, micros BIGINT, exact VARCHAR,
    rounded DOUBLE, text VARCHAR);
CREATE TABLE deletions (writer INT, place INT, tag VARCHAR, low BIGINT, high BIGINT,
    acknowledged BOOL DEFAULT false);
"""

# What each question finds is a fault of its kind.
HISTORY = {
    "duplicated": "SELECT tag, micros, exact, times FROM found WHERE times > 1",
    "foreign": "SELECT tag, micros, exact FROM found ANTI JOIN sent USING (tag, micros)",
    "wrong": """SELECT tag, micros, exact
        FROM (SELECT * FROM found ANTI JOIN sent USING (tag, micros, exact))
        SEMI JOIN sent USING (tag, micros)
        UNION ALL SELECT tag, micros, exact FROM found WHERE NOT rounded""",
    "lost": """SELECT tag, micros, exact FROM sent JOIN steps USING (writer, place)
        ANTI JOIN found USING (tag, micros, exact) WHERE acknowledged""",
    "torn": """SELECT writer, place, stored, rows FROM batches
        WHERE stored NOT IN (0, rows) AND NOT acknowledged""",
    "disordered": """SELECT writer, place, low, high, answered, before FROM (
            SELECT *, max(high) OVER (PARTITION BY writer ORDER BY place
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
            FROM batches WHERE stored > 0)
        WHERE low <> high OR before > low OR answered <> low
        UNION ALL SELECT a.writer, a.place, NULL, NULL, NULL, b.place
        FROM batches a JOIN batches b ON a.writer = b.writer AND a.epoch = b.epoch
            AND a.number > 0 AND b.number = a.number + 1
        WHERE a.stored = 0 AND b.stored > 0""",
}


class Verdict:
    """What was found wrong, each thing once, with the first few of each kind as examples."""

    def __init__(self):
        self.found = {kind: set() for kind in KINDS}
        self.complaints = []

    def bad(self):
        return bool(self.complaints) or any(self.found.values())

    def report(self):
        counts = {kind: len(found) for kind, found in self.found.items()}
        examples = {kind: sorted(found)[:EXAMPLES] for kind, found in self.found.items() if found}
        return counts | {"examples": examples, "complaints": self.complaints[:20]}


class Truth:
    """What has to be there."""

    def __init__(self, folder, writers, verdict):
        self.readers = [Reader(folder, writer) for writer in range(writers)]
        self.verdict = verdict
        self.database = duckdb.connect()
        self.database.execute(TABLES)
        # How far each writer's numbers go.
        self.samples = [0] * writers

    def read(self):
        """Takes in what the writers noted since the last time."""
        for writer, reader in enumerate(self.readers):
            batches, deletions, acknowledged = reader.new()
            self.add_batches(writer, batches)
            steps = [(writer, d.place, d.tag, d.begin, d.end) for d in deletions]
            self.insert("deletions", steps, "writer, place, tag, low, high")
            self.acknowledge(writer, acknowledged)

    def add_batches(self, writer, batches):
        steps, rows = [], []
        for batch in batches:
            self.samples[writer] = max(self.samples[writer], batch.end)
            steps.append((writer, batch.place, batch.epoch, batch.sequence, batch.count()))
            for row, (number, version) in enumerate(batch.rows()):
                rows.append((writer, batch.place, row, number, version))
        self.insert("steps", steps, "writer, place, epoch, number, rows")
        for begin in range(0, len(rows), ROWS):
            self.add_rows(rows[begin : begin + ROWS])

    def add_rows(self, rows):
        values = [columns_of(value_of(w, number, version)) for w, _, _, number, version in rows]
        writers, places, order, _, _ = zip(*rows)
        value, value_int, value_text = zip(*values)
        table = pa.table(
            {
                "writer": writers,
                "place": places,
                "row": order,
                "tag": [tag_of(w, number) for w, _, _, number, _ in rows],
                "micros": [time_of(number) for _, _, _, number, _ in rows],
                "value": pa.array(value, pa.float64()),
                "value_int": pa.array(value_int, pa.int64()),
                "value_text": pa.array(value_text, pa.string()),
            }
        )
        self.database.register("incoming", table)
        self.database.execute(
            f"INSERT INTO sent SELECT writer, place, row, tag, micros, {EXACT}, value, value_text "
            "FROM incoming"
        )
        self.database.unregister("incoming")

    def insert(self, table, rows, columns):
        if rows:
            names = columns.split(", ")
            self.database.register("incoming", pa.table(list(map(list, zip(*rows))), names))
            self.database.execute(f"INSERT INTO {table} ({columns}) SELECT * FROM incoming")
            self.database.unregister("incoming")

    def acknowledge(self, writer, acknowledged):
        if not acknowledged:
            return
        places, sequences = zip(*acknowledged)
        heard = pa.table({"place": places, "sequence": pa.array(sequences, pa.int64())})
        self.database.register("heard", heard)
        for table, more in (("steps", ", answered = heard.sequence"), ("deletions", "")):
            self.database.execute(
                f"UPDATE {table} SET acknowledged = true{more} FROM heard "
                f"WHERE {table}.place = heard.place AND writer = {writer}"
            )
        self.database.unregister("heard")

    def check_history(self, door, rows):
        """Every version of every sample (L2, I3); answers how many there are."""
        self.take("found", rows)
        self.database.execute(
            """CREATE OR REPLACE TEMP TABLE batches AS
            SELECT steps.*, count(found.tag) AS stored, min(low) AS low, max(high) AS high
            FROM steps JOIN sent USING (writer, place)
            LEFT JOIN found USING (tag, micros, exact) GROUP BY ALL"""
        )
        for kind, question in HISTORY.items():
            self.complain(kind, door, question)
        self.database.execute(
            """CREATE OR REPLACE TEMP TABLE valid AS
            WITH newest AS (SELECT writer, tag, micros, max(place) AS place,
                    arg_max(exact, (place, row)) AS exact,
                    arg_max(rounded, (place, row)) AS rounded,
                    arg_max(text, (place, row)) AS text
                FROM sent SEMI JOIN found USING (tag, micros, exact) GROUP BY writer, tag, micros)
            SELECT tag, micros, exact, rounded, text FROM newest
            ANTI JOIN deletions ON newest.tag = deletions.tag AND deletions.place > newest.place
                AND micros BETWEEN low AND high"""
        )
        return self.one("SELECT coalesce(sum(times), 0) FROM found")

    def check_newest(self, door, rows):
        """The newest valid version of each sample, after its history was checked."""
        self.take("newest_found", rows)
        twice = "SELECT tag, micros, exact, times FROM newest_found WHERE times > 1"
        self.complain("duplicated", door, twice)
        self.compare(door, "exact", "SELECT tag, micros, exact FROM newest_found")

    def check_trend(self, door, rows):
        """The same where numbers are doubles."""
        self.database.register("trend", rows)
        self.compare(door, "rounded, text", "SELECT tag, micros, value, text FROM trend")
        self.database.unregister("trend")

    def compare(self, door, columns, found):
        """As sets; what a deletion covers that may or may not have come is not looked at."""
        unsure = """ANTI JOIN (SELECT * FROM deletions WHERE NOT acknowledged) d
            ON d.tag = it.tag AND it.micros BETWEEN d.low AND d.high"""
        valid = f"SELECT tag, micros, {columns} FROM valid"
        for text, one, other in (("missing", valid, found), ("there", found, valid)):
            self.complain(
                "stale",
                f"{door}: {text}",
                f"SELECT * FROM (({one}) EXCEPT ALL ({other})) it {unsure}",
            )

    def take(self, name, rows):
        """A door's answer as a table of places and values."""
        if rows is None:
            rows = pa.table(
                {
                    "tag": pa.array([], pa.string()),
                    "time": pa.array([], pa.timestamp("us", tz="UTC")),
                    "value": pa.array([], pa.float64()),
                    "value_int": pa.array([], pa.int64()),
                    "value_text": pa.array([], pa.string()),
                    "sequence": pa.array([], pa.int64()),
                }
            )
        self.database.register("answer", rows)
        self.database.execute(
            f"""CREATE OR REPLACE TEMP TABLE {name} AS
            SELECT tag, epoch_us(time) AS micros, {EXACT} AS exact, count(*) AS times,
                min(sequence) AS low, max(sequence) AS high,
                bool_and(value_int IS NULL OR value = value_int::DOUBLE) AS rounded
            FROM answer GROUP BY tag, micros, exact"""
        )
        self.database.unregister("answer")

    def counts(self):
        """What there was to look at."""
        versions = "SELECT count(*) - count(DISTINCT (tag, micros)) FROM sent"
        deletions = "SELECT count(*) FROM deletions WHERE acknowledged"
        return {"corrections": self.one(versions), "deletions": self.one(deletions)}

    def complain(self, kind, door, question):
        some = f"SELECT * FROM ({question}) LIMIT {FAULTS_MAX}"
        for row in self.database.execute(some).fetchall():
            self.verdict.found[kind].add(f"{door}: {' '.join(map(str, row))}")

    def one(self, question):
        return self.database.execute(question).fetchall()[0][0]
