"""Reads segments with DuckDB and pandas' own reader of Parquet while the server is off (C4).

    python clients/segments.py FOLDER

Prints one line for each signal: id, samples, samples with a value, sum, sum of the whole numbers,
bytes of text, samples of bad quality, first and last time in microseconds, and the sum of the bits
of the numbers, without what is above 2^52.
"""

import struct
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet
from pyarrow import compute

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
    ("steps", {"INTEGER"}),
    ("base", {"DOUBLE"}),
    ("step", {"DOUBLE"}),
    ("divisor", {"DOUBLE"}),
]
NUMBER = "coalesce(value, (base + steps * step) / divisor, (base + steps * step)::FLOAT, value_int)"
for name, kinds in expected:
    kind = dict(columns).get(name)
    assert kind in kinds, f"{name} is {kind}: {columns}"
rows = duckdb.sql(
    f"SELECT signal_id, count(*), count({NUMBER}), coalesce(sum({NUMBER}), 0), "
    "coalesce(sum(value_int::hugeint), 0), coalesce(sum(strlen(value_text)), 0), "
    "count(*) FILTER (quality >= 2147483648), min(epoch_us(time)), max(epoch_us(time)) "
    f"FROM read_parquet({files}) GROUP BY signal_id ORDER BY signal_id"
).fetchall()


def bits_over(pairs):
    """The sum of the numbers' bits for each signal."""
    sums = {}
    for signal, number in pairs:
        bits = 0 if number is None else struct.unpack("<Q", struct.pack("<d", number))[0]
        sums[signal] = (sums.get(signal, 0) + bits) % 2**52
    return sums


def numbers(table):
    """The numbers of a file, operation by operation."""
    steps = compute.multiply(table["steps"].cast("double"), table["step"])
    place = compute.add(table["base"], steps)
    real = place.cast("float").cast("double")
    whole = table["value_int"].cast("double", safe=False)
    return compute.coalesce(table["value"], compute.divide(place, table["divisor"]), real, whole)


tables = [pyarrow.parquet.read_table(file) for file in files]
in_arrow = sum(table.num_rows for table in tables)
assert in_arrow == sum(row[1] for row in rows), "another reader counts the same"
assert any(table["steps"].null_count < table.num_rows for table in tables), "nothing is on a lattice"
pairs = duckdb.sql(f"SELECT signal_id, {NUMBER} FROM read_parquet({files})").fetchall()
bits = bits_over(pairs)
in_arrow = ((table["signal_id"].to_pylist(), numbers(table).to_pylist()) for table in tables)
assert bits == bits_over(pair for columns in in_arrow for pair in zip(*columns)), "bit by bit"
for row in rows:
    print(*row, bits[row[0]], sep="|")
