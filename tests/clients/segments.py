"""Reads segments with DuckDB and pandas' own reader of Parquet while the server is off (C4).

    python clients/segments.py FOLDER

Prints one line for each signal: id, samples, samples with a value, sum, sum of the whole numbers,
bytes of text, samples of bad quality, first and last time in microseconds.
"""

import sys
from pathlib import Path

import duckdb
import pyarrow.parquet

files = [str(path) for path in sorted(Path(sys.argv[1]).rglob("*.parquet"))]
assert files, "there is no segment"
columns = [
    (name, kind)
    for name, kind, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet({files})").fetchall()
]
expected = [
    ("signal_id", {"INTEGER", "UINTEGER"}),
    ("time", {"TIMESTAMP WITH TIME ZONE", "TIMESTAMP"}),
    ("value", {"DOUBLE"}),
    ("value_int", {"BIGINT"}),
    ("value_text", {"VARCHAR"}),
    ("quality", {"UINTEGER", "BIGINT"}),
    ("sequence", {"UBIGINT", "BIGINT"}),
]
for name, kinds in expected:
    kind = dict(columns).get(name)
    assert kind in kinds, f"{name} is {kind}: {columns}"
rows = duckdb.sql(
    "SELECT signal_id, count(*), count(value), coalesce(sum(value), 0), "
    "coalesce(sum(value_int::hugeint), 0), coalesce(sum(strlen(value_text)), 0), "
    "count(*) FILTER (quality >= 2147483648), min(epoch_us(time)), max(epoch_us(time)) "
    f"FROM read_parquet({files}) GROUP BY signal_id ORDER BY signal_id"
).fetchall()
in_arrow = sum(pyarrow.parquet.read_table(file).num_rows for file in files)
assert in_arrow == sum(row[1] for row in rows), "another reader counts the same"
for row in rows:
    print(*row, sep="|")
