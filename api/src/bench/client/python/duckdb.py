"""Answers questions with DuckDB over the segments of a data folder, for `parx bench query`.

Reads JSON lines: first {"files": [...]}, then {"sql": "..."} each. Answers each question with a
line: wall and processor time in milliseconds, rows, and the sum of all numbers in the answer.
"""

import json
import resource
import sys
import time

import duckdb


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def fetch(connection, sql):
    """The answer in columns, as the fastest of the client's ways gives it."""
    result = connection.sql(sql)
    for way in ("to_arrow_table", "arrow"):
        if hasattr(result, way):
            return getattr(result, way)()
    return result.fetchall()


def total(answer):
    """Rows and the sum of the numbers; what is not finite does not count."""
    if isinstance(answer, list):
        cells = [cell for row in answer for cell in row if isinstance(cell, (int, float))]
        return len(answer), float(sum(cell for cell in cells if cell - cell == 0))
    import pyarrow
    import pyarrow.compute as compute

    numbers = 0.0
    for column, field in zip(answer.columns, answer.schema):
        if field.name in KEYS or not (
            pyarrow.types.is_floating(field.type) or pyarrow.types.is_integer(field.type)
        ):
            continue
        column = column.cast(pyarrow.float64())
        column = column.filter(compute.is_finite(column))
        numbers += compute.sum(column).as_py() or 0.0
    return answer.num_rows, numbers


# Columns that only say which row it is; ParX names signals and buckets in other ways.
KEYS = {"signal_id", "bucket", "hour"}

connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
SETTINGS = (
    # Its bar would stand between the answers.
    "SET enable_progress_bar = false",
    "SET parquet_metadata_cache = true",
    "SET enable_object_cache = true",
)
for setting in SETTINGS:
    try:
        connection.execute(setting)
    except duckdb.Error:
        pass
files = json.loads(sys.stdin.readline())["files"]
NUMBER = "coalesce(value, (base + steps * step) / divisor, (base + steps * step)::FLOAT, value_int)"
connection.execute(
    f"CREATE VIEW samples AS SELECT * REPLACE ({NUMBER} AS value) FROM read_parquet({files})"
)
print(json.dumps({"version": duckdb.__version__}), flush=True)
for line in sys.stdin:
    sql = json.loads(line)["sql"]
    try:
        begun, used = time.perf_counter(), cpu()
        answer = fetch(connection, sql)
        wall, used = time.perf_counter() - begun, cpu() - used
        rows, numbers = total(answer)
        said = {"wall_ms": wall * 1e3, "cpu_ms": used * 1e3, "rows": rows, "sum": numbers}
    except duckdb.Error as error:
        said = {"error": str(error)}
    print(json.dumps(said), flush=True)
