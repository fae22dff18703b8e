"""What clients of PostgreSQL do beyond psql: parameters, binary answers, cancelling, streaming.

python clients/postgres.py types|errors|timeout|cancel|password|stream|portal
"""

import asyncio
import decimal
import sys
import threading
import time
from datetime import datetime, timedelta, timezone

import asyncpg
import doors
import psycopg

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
# A statement that no machine ends in time.
ENDLESS = "SELECT sum(a.value * b.value * c.value) FROM samples a, samples b, samples c"
ROWS = 2_000_000


def rows_sql(rows):
    """A statement of so many rows, a multiple of a million, over the thousand that are stored."""
    return (
        "SELECT a.signal, a.time, b.value, a.quality, a.status, b.sequence, a.recorded_at FROM "
        "samples a CROSS JOIN samples b "
        f"CROSS JOIN (SELECT 1 FROM samples LIMIT {rows // 1_000_000}) c"
    )


# In MiB: less than a server grows by that collects two million rows more than it did before.
MEMORY_MAX = 60
# In MiB: what streaming may take in all, less than four million collected rows would.
STREAMING_MAX = 200


def types():
    """Parameters and columns of every type, in both formats, by the extended protocol."""
    with doors.postgres() as connection:
        for binary in (True, False):
            with connection.cursor(binary=binary) as cursor:
                cursor.execute(
                    "SELECT signal, time, value, value_int, value_text, quality, status, "
                    "signal_id, sequence, recorded_at FROM samples "
                    "WHERE signal = %s AND time >= %s AND value > %b",
                    ("t/i", START, 6.5),
                )
                (row,) = cursor.fetchall()
                kinds = [type(cell) for cell in row]
                assert kinds == [
                    *(str, datetime, float, int, type(None)),
                    *(int, str, int, int, datetime),
                ], f"binary={binary}: {kinds}"
                assert row[:7] == ("t/i", START, 7.0, 7, None, 0, "good"), row
                names = [column.type_display for column in cursor.description]
                assert names == [
                    *("text", "timestamptz", "float8", "int8", "text"),
                    *("int8", "text", "int4", "int8", "timestamptz"),
                ], names
                cursor.execute("SELECT count(*) FROM samples WHERE value_int = %s", (2**53 + 1,))
                assert cursor.fetchone() == (1,), "64 bits are exact"
                cursor.execute("SELECT value_text FROM samples WHERE signal = %s", ("t/s",))
                assert cursor.fetchone() == ("grün 'quoted' \\",)
                cursor.execute("SELECT %s::boolean, %s::text", (True, "ü"))
                assert cursor.fetchone() == (True, "ü")
        for _ in range(10):
            # From the sixth on psycopg uses a named prepared statement.
            rows = connection.execute("SELECT value FROM samples WHERE signal = %s", ("t/i",))
            assert rows.fetchall() == [(7.0,)]
        assert connection.execute("SELECT NULL").fetchone() == (None,)
        empty = connection.execute("SELECT value FROM samples WHERE false")
        assert empty.fetchall() == [] and empty.rowcount == 0
        (average,) = connection.execute("SELECT avg(value) FROM samples").fetchone()
        assert isinstance(average, (float, decimal.Decimal))


def refused(connection, statement, state, parameters=None):
    """The error that a statement has to give."""
    try:
        connection.execute(statement, parameters).fetchall()
    except psycopg.Error as error:
        assert error.sqlstate == state, f"{statement}: {error.sqlstate} {error}"
        return error
    raise AssertionError(f"{statement} went well")


def errors():
    """Errors have the right SQLSTATE and leave the connection usable."""
    with doors.postgres() as connection:
        error = refused(connection, "SELECT signal FORM samples WHERE", "42601")
        assert error.diag.statement_position, "the place is told"
        refused(connection, "SELECT 1 FROM no_such_table", "42P01")
        refused(connection, "SELECT no_such_column FROM samples", "42703")
        refused(connection, "SELECT no_such_function(1)", "42883")
        refused(connection, "SELECT %s::bigint", "22P02", ("seven",))
        assert connection.execute("SELECT 1 + 1").fetchone() == (2,)
        with connection.transaction():
            assert connection.execute("SELECT count(*) FROM signals").fetchone()[0] > 0


def timeout():
    """statement_timeout ends a statement; the server answers others meanwhile and afterwards."""
    with doors.postgres() as connection, doors.postgres() as other:
        connection.execute("SET statement_timeout = '1s'")
        answers = []
        over = threading.Event()

        def ask():
            while not over.is_set():
                answers.append(other.execute("SELECT count(*) FROM signals").fetchone())

        asker = threading.Thread(target=ask, daemon=True)
        asker.start()
        refused(connection, ENDLESS, "57014")
        answered = len(answers)
        over.set()
        asker.join()
        assert answered > 0, "another connection was answered meanwhile"
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("1s",)


def cancel():
    """A cancel request ends the statement of its own connection only."""
    with doors.postgres() as connection, doors.postgres() as other:
        stop = threading.Event()

        def keep_cancelling():
            while not stop.wait(0.3):
                connection.cancel_safe()

        canceller = threading.Thread(target=keep_cancelling, daemon=True)
        canceller.start()
        refused(connection, ENDLESS, "57014")
        stop.set()
        canceller.join()
        assert other.execute("SELECT 1").fetchone() == (1,)
        # A cancel may still be on its way when the statement has ended; it then ends nothing.
        time.sleep(0.3)
        assert connection.execute("SELECT 1").fetchone() == (1,)


def password():
    """Nobody gets in without the right password."""
    for wrong in ("", "not this", doors.PASSWORD + " "):
        try:
            doors.postgres(password=wrong).close()
        except psycopg.OperationalError as error:
            # libpq asks for one where none is given, and tells the server's words otherwise.
            assert "password" in str(error), error
        else:
            raise AssertionError(f"'{wrong}' was let in")

    async def state():
        try:
            await connect_asyncpg("not this")
        except asyncpg.InvalidPasswordError as error:
            return error.sqlstate
        return None

    assert asyncio.run(state()) == "28P01"


def read_all(connection, expected):
    """Reads so many rows one after the other; tells the most memory that the server has taken."""
    rows = 0
    with connection.cursor(binary=True) as cursor:
        for _ in cursor.stream(rows_sql(expected), size=1000):
            rows += 1
            if rows == 1:
                # A client that is slow to begin: the server must wait, not collect.
                time.sleep(1)
    assert rows == expected, rows
    return doors.memory()


def stream():
    """Twice as many rows through one statement do not make the server grow."""
    with doors.postgres() as connection:
        assert connection.execute("SELECT count(*) FROM samples").fetchone() == (1000,)
        start = doors.memory()
        before = read_all(connection, ROWS)
        after = read_all(connection, 2 * ROWS)
        assert after - before < MEMORY_MAX, f"the server grew by {after - before} MiB"
        assert after - start < STREAMING_MAX, f"streaming took {after - start} MiB"


async def connect_asyncpg(word):
    return await asyncpg.connect(
        host=doors.POSTGRES_HOST,
        port=int(doors.POSTGRES_PORT),
        user=doors.USER,
        password=word,
        database="parx",
    )


def portal():
    """A portal that is read in portions, as JDBC and asyncpg do, and one that is left half read."""

    async def read():
        with doors.postgres() as first:
            before = read_all(first, ROWS)
        connection = await connect_asyncpg(doors.PASSWORD)
        rows = 0
        async with connection.transaction():
            async for _ in connection.cursor(rows_sql(ROWS), prefetch=5000):
                rows += 1
        assert rows == ROWS, rows
        async with connection.transaction():
            cursor = await connection.cursor(rows_sql(ROWS))
            assert len(await cursor.fetch(10)) == 10
        grown = doors.memory() - before
        assert grown < MEMORY_MAX, f"the server grew by {grown} MiB"
        query = "SELECT time FROM samples WHERE signal = $1 AND time > $2 ORDER BY time LIMIT 1"
        row = await connection.fetchrow(query, "t/many", START + timedelta(seconds=1))
        assert row["time"] == START + timedelta(seconds=2), row
        await connection.close()

    asyncio.run(read())


ACTS = (types, errors, timeout, cancel, password, stream, portal)
{act.__name__: act for act in ACTS}[sys.argv[1]]()
print("ok")
