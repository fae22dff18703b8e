"""The doors that answer: Postgres, Flight SQL, GraphQL; and the segments themselves, by DuckDB.

Each gives an Arrow table. What SQL and segments give has the columns of COLUMNS; GraphQL knows
numbers only as doubles and gives `tag`, `micros`, `value`, `text`.
"""

import json
import math

import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import duckdb
import psycopg
import pyarrow as pa

from checking.samples import BASE, LATE, SIGNALS_PER_WRITER, STEP, iso, tag_of
from checking.server import PASSWORD, REQUEST_MAX, USER

COLUMNS = "signal AS tag, time, value, value_int, value_text, sequence"
QUESTION = f"SELECT {COLUMNS} FROM {{table}} WHERE signal LIKE 'check/%'"
# Pixels of a trend; a signal has a sample in each at most, so that none is left out.
PIXELS = 20_000
# Rows that are taken from a cursor at a time.
ROWS = 50_000

# The number of a row of a segment, as the segments' page says.
NUMBER = "coalesce(value, (base + steps * step) / divisor, (base + steps * step)::FLOAT, value_int)"


def over_postgres(server, table):
    """psycopg with binary rows."""
    parts = []
    host, port = server.doors["postgres"].rsplit(":", 1)
    login = {"user": USER, "password": PASSWORD, "dbname": "parx"}
    with psycopg.connect(host=host, port=port, **login, autocommit=True) as connection:
        with connection.cursor(binary=True) as cursor:
            cursor.execute(QUESTION.format(table=table))
            names = [column.name for column in cursor.description]
            while rows := cursor.fetchmany(ROWS):
                parts.append(pa.table([pa.array(column) for column in zip(*rows)], names))
    return pa.concat_tables(parts, promote_options="permissive") if parts else None


def over_flight(server, table):
    """ADBC, as Arrow from end to end."""
    login = {
        adbc_driver_manager.DatabaseOptions.USERNAME.value: USER,
        adbc_driver_manager.DatabaseOptions.PASSWORD.value: PASSWORD,
    }
    address = f"grpc://{server.doors['flight']}"
    connect = adbc_driver_flightsql.dbapi.connect
    with connect(address, db_kwargs=login, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(QUESTION.format(table=table))
            return cursor.fetch_arrow_table()


def over_graphql(server, samples):
    """Trends so wide that nothing is thinned, over all that so many samples of each writer take."""
    query = (
        "query($tags: [String!]!, $from: Time!, $to: Time!, $width: Int!) "
        "{ trend(tags: $tags, from: $from, to: $to, width: $width) "
        "{ pens { tag times values texts } } }"
    )
    columns = {"tag": [], "micros": [], "value": [], "text": []}
    window = PIXELS * STEP * SIGNALS_PER_WRITER
    for writer, count in enumerate(samples):
        tags = [tag_of(writer, number) for number in range(SIGNALS_PER_WRITER)]
        for late in (0, LATE):
            for part in range(math.ceil(count * STEP / window)):
                begin = BASE - late + part * window
                times = {"from": iso(begin), "to": iso(begin + window - 1)}
                trend = server.graphql(query, tags=tags, width=PIXELS, **times)["trend"]
                for pen in trend["pens"]:
                    add_pen(columns, pen, begin, begin + window)
    return pa.table(
        columns,
        schema=pa.schema(
            [
                ("tag", pa.string()),
                ("micros", pa.int64()),
                ("value", pa.float64()),
                ("text", pa.string()),
            ]
        ),
    )


def add_pen(columns, pen, begin, end):
    """The samples of a pen within its window; it has one more on either side."""
    texts = pen["texts"] or [None] * len(pen["times"])
    for time, value, text in zip(pen["times"], pen["values"], texts):
        micros = round(time * 1_000_000)
        if begin <= micros < end:
            columns["tag"].append(pen["tag"])
            columns["micros"].append(micros)
            columns["value"].append(value)
            columns["text"].append(text)


def names(server):
    """The tags by the signals' ids."""
    with server.postgres() as connection:
        return dict(connection.execute("SELECT id, tag FROM signals").fetchall())


def from_segments(data, tags):
    """Every version of every sample in the segments, by a reader of another maker."""
    segments = [str(path) for path in sorted((data / "segments").glob("*/L*.parquet"))]
    if not segments:
        return 0, None
    ids = pa.table({"id": list(tags), "tag": list(tags.values())})
    with duckdb.connect() as connection:
        connection.register("ids", ids)
        rows = connection.sql(
            "SELECT coalesce(ids.tag, 'id ' || signal_id) AS tag, time, "
            f"{NUMBER} AS value, value_int, value_text, sequence FROM read_parquet({segments}) "
            "LEFT JOIN ids ON ids.id = signal_id"
        ).to_arrow_table()
    return len(segments), rows
