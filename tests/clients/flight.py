"""Asks the same questions through Arrow Flight SQL, PostgreSQL and GraphQL, and compares (Q3).

python clients/flight.py answers|password|tables
"""

import base64
import json
import os
import sys
import urllib.request

import adbc_driver_manager
import doors

QUESTIONS = [
    "SELECT signal, time, value, value_int, value_text, quality, status, signal_id, sequence, "
    "recorded_at FROM samples ORDER BY signal, time",
    "SELECT signal, time, value, sequence FROM samples_history ORDER BY signal, time, sequence",
    "SELECT signal, count(*), min(value), max(value), sum(value), min(time), max(time) "
    "FROM samples GROUP BY signal ORDER BY signal",
    "SELECT status, count(*) FROM samples GROUP BY status ORDER BY status",
    "SELECT * FROM signals ORDER BY id",
    "SELECT * FROM sources",
    "SELECT 1 AS one, NULL AS nothing, true AS yes, 'ü' AS text, 1.5::double precision AS number",
    "SELECT value FROM samples WHERE false",
]


def over_postgres(question):
    with doors.postgres() as connection, connection.cursor(binary=True) as cursor:
        cursor.execute(question)
        return [column.name for column in cursor.description], cursor.fetchall()


def over_flight(question):
    with doors.flight() as connection, connection.cursor() as cursor:
        cursor.execute(question)
        table = cursor.fetch_arrow_table()
        return table.column_names, list(zip(*(column.to_pylist() for column in table.columns)))


def over_graphql(query):
    login = base64.b64encode(f"{doors.USER}:{doors.PASSWORD}".encode()).decode()
    request = urllib.request.Request(
        f"{os.environ['PARX_URL']}/graphql",
        json.dumps({"query": query}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Basic {login}"},
    )
    with urllib.request.urlopen(request) as answer:
        body = json.load(answer)
    assert "errors" not in body, body["errors"]
    return body["data"]


def comparable(row):
    """A row by its values; what is a list in one reader and a tuple in another counts the same."""
    return [list(cell) if isinstance(cell, tuple) else cell for cell in row]


def answers():
    for question in QUESTIONS:
        names, rows = over_postgres(question)
        other_names, other_rows = over_flight(question)
        assert names == other_names, f"{question}: {names}, {other_names}"
        assert len(rows) == len(other_rows), f"{question}: {len(rows)}, {len(other_rows)} rows"
        for row, other in zip(rows, other_rows):
            assert comparable(row) == comparable(other), f"{question}: {row}, {other}"
    _, rows = over_postgres(
        "SELECT time, CASE WHEN status <> 'bad' THEN value END, quality FROM samples "
        "WHERE signal = 'q/wave/f' ORDER BY time"
    )
    assert len(rows) == 1003
    # Wide enough for each sample to be drawn; the last three are days later.
    compare_trend(rows[:1000], "2026-01-01T00:00:00Z", "2026-01-01T00:04:10Z")
    compare_trend(rows[1000:], "2026-01-31T00:00:00Z", "2026-02-04T00:00:00Z")


def compare_trend(rows, begin, end):
    """Holds a trend against rows; it may go on by one sample on both sides, to reach the edges."""
    query = f'tags: ["q/wave/f"], from: "{begin}", to: "{end}", width: 4000'
    data = over_graphql(f"{{ trend({query}) {{ pens {{ times values severities }} }} }}")
    (pen,) = data["trend"]["pens"]
    drawn = list(zip((round(at * 1e6) for at in pen["times"]), pen["values"], pen["severities"]))
    stored = [(round(at.timestamp() * 1e6), value, quality >> 30) for at, value, quality in rows]
    first = drawn.index(stored[0])
    assert first <= 1, drawn[:3]
    assert drawn[first : first + len(stored)] == stored, begin
    assert len(drawn) - first - len(stored) <= 1, drawn[-3:]


def password():
    for wrong in ("not this", ""):
        try:
            with doors.flight(wrong) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except adbc_driver_manager.Error as error:
            assert error.status_code in (
                adbc_driver_manager.AdbcStatusCode.UNAUTHENTICATED,
                adbc_driver_manager.AdbcStatusCode.UNAUTHORIZED,
            ), error
        else:
            raise AssertionError(f"'{wrong}' was let in")
    with doors.flight() as connection, connection.cursor() as cursor:
        for statement in ("SELEKT 1", "SELECT 1 FROM no_such_table"):
            try:
                cursor.execute(statement)
                cursor.fetchall()
            except adbc_driver_manager.Error as error:
                assert "INTERNAL" not in error.status_code.name, error
            else:
                raise AssertionError(f"{statement} went well")
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def tables():
    """What tools ask before they show a tree of tables."""
    with doors.flight() as connection:
        objects = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
        names = {
            table["table_name"]
            for catalog in objects
            for schema in catalog["catalog_db_schemas"] or []
            for table in schema["db_schema_tables"] or []
        }
        assert {"samples", "samples_history", "signals", "sources", "events"} <= names, names
        schema = connection.adbc_get_table_schema("samples")
        assert schema.names[:3] == ["signal", "time", "value"], schema


ACTS = (answers, password, tables)
{act.__name__: act for act in ACTS}[sys.argv[1]]()
print("ok")
