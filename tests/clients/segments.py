"""Reads segments with DuckDB, Polars and pandas while the server is off (C4).

    python clients/segments.py FOLDER

Prints one line for each signal: id, samples, samples with a value, sum, sum of the whole numbers,
bytes of text, samples of bad quality, first and last time in microseconds; then one line with the
count and the sums of the newest versions. All three readers must find the same.
"""

import sys
from pathlib import Path

import duckdb
import pandas
import polars

BAD = 0x8000_0000
PLACE = ["signal_id", "time"]

files = [str(path) for path in sorted(Path(sys.argv[1]).glob("*/L*.parquet"))]
assert files, "there is no segment"


def over_duckdb():
    """The types of the columns, the sums of the signals, the sums of the newest versions."""
    columns = duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet({files})").fetchall()
    kinds = {name: kind for name, kind, *_ in columns}
    expected = [
        ("signal_id", {"INTEGER", "UINTEGER"}),
        ("time", {"TIMESTAMP WITH TIME ZONE", "TIMESTAMP"}),
        ("value", {"DOUBLE"}),
        ("value_int", {"BIGINT"}),
        ("value_text", {"VARCHAR"}),
        ("quality", {"UINTEGER", "BIGINT"}),
        ("sequence", {"UBIGINT", "BIGINT"}),
    ]
    for name, wanted in expected:
        assert kinds.get(name) in wanted, f"{name} is {kinds.get(name)}: {columns}"
    signals = duckdb.sql(
        "SELECT signal_id, count(*), count(value), coalesce(sum(value), 0), "
        "coalesce(sum(value_int::hugeint), 0), coalesce(sum(strlen(value_text)), 0), "
        f"count(*) FILTER (quality >= {BAD}), min(epoch_us(time)), max(epoch_us(time)) "
        f"FROM read_parquet({files}) GROUP BY signal_id ORDER BY signal_id"
    ).fetchall()
    newest = duckdb.sql(
        "SELECT count(*), sum(value), sum(value_int) FROM (SELECT * "
        f"FROM read_parquet({files}) QUALIFY row_number() OVER "
        "(PARTITION BY signal_id, time ORDER BY sequence DESC) = 1)"
    ).fetchall()
    return signals, newest[0]


def over_polars():
    """The same with Polars' own reader."""
    rows = polars.scan_parquet(files)
    text = polars.col("value_text").str.len_bytes().sum()
    micros = polars.col("time").dt.epoch("us")
    signals = rows.group_by("signal_id").agg(
        polars.len(),
        polars.col("value").count().alias("values"),
        polars.col("value").sum(),
        polars.col("value_int").sum(),
        text,
        (polars.col("quality") >= BAD).sum(),
        micros.min().alias("first"),
        micros.max().alias("last"),
    )
    newest = rows.sort("sequence", maintain_order=True).unique(
        PLACE, keep="last", maintain_order=True
    )
    sums = newest.select(polars.len(), polars.col("value").sum(), polars.col("value_int").sum())
    return signals.sort("signal_id").collect().rows(), sums.collect().row(0)


def over_pandas():
    """The same with pandas."""
    rows = pandas.concat(map(pandas.read_parquet, files), ignore_index=True)
    signals = []
    for signal, of in rows.groupby("signal_id"):
        micros = of["time"].astype("int64")
        assert str(of["time"].dtype) == "datetime64[us, UTC]", of["time"].dtype
        signals.append(
            (
                signal,
                len(of),
                of["value"].count(),
                of["value"].sum(),
                sum(int(number) for number in of["value_int"].dropna()),
                sum(len(text.encode()) for text in of["value_text"].dropna()),
                (of["quality"] >= BAD).sum(),
                micros.min(),
                micros.max(),
            )
        )
    newest = rows.sort_values("sequence", kind="stable").drop_duplicates(PLACE, keep="last")
    return signals, (len(newest), newest["value"].sum(), newest["value_int"].sum())


def numbers(found):
    """As doubles; they are exact in this test."""
    signals, newest = found
    return [[float(cell) for cell in row] for row in [*signals, newest]]


found = over_duckdb()
for other in (over_polars, over_pandas):
    assert numbers(other()) == numbers(found), f"{other.__name__}: {other()}, DuckDB: {found}"
for row in found[0]:
    print(*row, sep="|")
print(*found[1], sep="|")
