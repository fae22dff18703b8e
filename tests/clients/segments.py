"""Reads every segment below a folder with DuckDB, Polars and pandas, as a user would.

    python clients/segments.py FOLDER

Prints one line for each signal: id, samples, samples with a value, sum, sum of the whole numbers,
bytes of text, samples of bad quality, first and last time in microseconds, and the sum of the bits
of the numbers, without what is above 2^52; then one line with the count and the sums of the newest
versions. All three readers must find the same.
"""

import struct
import sys
from pathlib import Path

import duckdb
import pandas
import polars

BAD = 0x8000_0000
PLACE = ["signal_id", "time"]
NUMBER = "coalesce(value, (base + steps * step) / divisor, (base + steps * step)::FLOAT, value_int)"

files = [str(path) for path in sorted(Path(sys.argv[1]).glob("*/L*.parquet"))]
assert files, "there is no segment"


def bits_of(numbers):
    """The sum of the bits of numbers; none counts as 0."""
    known = (number for number in numbers if number is not None)
    return sum(struct.unpack("<Q", struct.pack("<d", number))[0] for number in known) % 2**52


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
        ("steps", {"INTEGER"}),
        ("base", {"DOUBLE"}),
        ("step", {"DOUBLE"}),
        ("divisor", {"DOUBLE"}),
    ]
    for name, wanted in expected:
        assert kinds.get(name) in wanted, f"{name} is {kinds.get(name)}: {columns}"
    duckdb.sql(
        f"CREATE VIEW samples AS SELECT * REPLACE ({NUMBER} AS value) FROM read_parquet({files})"
    )
    on_lattice = duckdb.sql(f"SELECT count(steps) FROM read_parquet({files})").fetchall()[0][0]
    assert on_lattice > 0, "nothing is on a lattice"
    signals = duckdb.sql(
        "SELECT signal_id, count(*), count(value), coalesce(sum(value), 0), "
        "coalesce(sum(value_int::hugeint), 0), coalesce(sum(strlen(value_text)), 0), "
        f"count(*) FILTER (quality >= {BAD}), min(epoch_us(time)), max(epoch_us(time)), "
        "list(value) FROM samples GROUP BY signal_id ORDER BY signal_id"
    ).fetchall()
    newest = duckdb.sql(
        "SELECT count(*), sum(value), sum(value_int) FROM (SELECT * FROM samples "
        "QUALIFY row_number() OVER (PARTITION BY signal_id, time ORDER BY sequence DESC) = 1)"
    ).fetchall()
    return [(*row[:-1], bits_of(row[-1])) for row in signals], newest[0]


def over_polars():
    """The same with Polars' own reader."""
    place = polars.col("base") + polars.col("steps") * polars.col("step")
    real = place.cast(polars.Float32).cast(polars.Float64)
    number = polars.coalesce("value", place / polars.col("divisor"), real, "value_int")
    rows = polars.scan_parquet(files).with_columns(number.alias("value"))
    micros = polars.col("time").dt.epoch("us")
    signals = rows.group_by("signal_id").agg(
        polars.len(),
        polars.col("value").count().alias("values"),
        polars.col("value").sum().alias("sum"),
        polars.col("value_int").sum(),
        polars.col("value_text").str.len_bytes().sum(),
        (polars.col("quality") >= BAD).sum(),
        micros.min().alias("first"),
        micros.max().alias("last"),
        polars.col("value").alias("all"),
    )
    newest = rows.sort("sequence", maintain_order=True).unique(
        PLACE, keep="last", maintain_order=True
    )
    sums = newest.select(polars.len(), polars.col("value").sum(), polars.col("value_int").sum())
    found = signals.sort("signal_id").collect().rows()
    return [(*row[:-1], bits_of(row[-1])) for row in found], sums.collect().row(0)


def over_pandas():
    """The same with pandas."""
    rows = pandas.concat(map(pandas.read_parquet, files), ignore_index=True)
    place = rows.base + rows.steps * rows.step
    real = place.astype("float32").astype("float64")
    rows["value"] = rows.value.fillna(place / rows.divisor).fillna(real).fillna(rows.value_int)
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
                bits_of(of["value"].dropna()),
            )
        )
    newest = rows.sort_values("sequence", kind="stable").drop_duplicates(PLACE, keep="last")
    return signals, (len(newest), newest["value"].sum(), newest["value_int"].sum())


def numbers(found):
    """What is exact in any order as doubles, and the sums of the values apart."""
    signals, newest = found
    exact = [float(cell) for row in signals for cell in (*row[:3], *row[4:])]
    sums = [float(row[3]) for row in signals] + [float(newest[1])]
    return exact + [float(newest[0]), float(newest[2])], sums


found = over_duckdb()
exact, sums = numbers(found)
for other in (over_polars, over_pandas):
    other_exact, other_sums = numbers(other())
    assert other_exact == exact, f"{other.__name__}: {other_exact}, DuckDB: {exact}"
    near = (abs(a - b) <= 1e-12 * abs(a) for a, b in zip(sums, other_sums, strict=True))
    assert all(near), f"{other.__name__}: {other_sums}, DuckDB: {sums}"
for row in found[0]:
    print(*row, sep="|")
print(*found[1], sep="|")
