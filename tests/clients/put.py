"""Puts samples through Arrow Flight and reads them back with SQL.

python clients/put.py shapes|wrong|numbered|again|order
"""

import json
import os
import sys

import doors
import pyarrow as pa
import pyarrow.flight as flight

BEGIN = 1_767_225_600_000_000
MICROSECONDS = pa.timestamp("us", tz="UTC")


def connect():
    client = flight.FlightClient(f"grpc://{os.environ['PARX_FLIGHT']}")
    header = client.authenticate_basic_token(doors.USER, doors.PASSWORD)
    return client, flight.FlightCallOptions(headers=[header])


def put(batches, numbers=None, path="samples"):
    """Puts batches in one stream; answers with their sequences."""
    client, options = connect()
    descriptor = flight.FlightDescriptor.for_path(path)
    writer, results = client.do_put(descriptor, batches[0].schema, options)
    sequences = []
    try:
        for place, batch in enumerate(batches):
            if numbers is None:
                writer.write_batch(batch)
            else:
                writer.write_with_metadata(batch, json.dumps(numbers[place]).encode())
        writer.done_writing()
        for _ in batches:
            sequences.append(json.loads(results.read().to_pybytes())["sequence"])
        assert results.read() is None, "one result a batch"
    finally:
        writer.close()
    return sequences


def batch(**columns):
    return pa.record_batch(list(columns.values()), names=list(columns))


def times(*micros, of=MICROSECONDS):
    return pa.array([BEGIN + time for time in micros], MICROSECONDS).cast(of)


def stored(like):
    question = (
        "SELECT signal, time, value, value_int, value_text, quality FROM samples "
        "WHERE signal LIKE %s ORDER BY signal, time"
    )
    with doors.postgres() as connection, connection.cursor() as cursor:
        rows = cursor.execute(question, (like,)).fetchall()
    since = lambda time: round(time.timestamp() * 1e6) - BEGIN
    return [(signal, since(time), *rest) for signal, time, *rest in rows]


def shapes():
    """Every type of names, times and values; names come in any order, and unknown ones begin."""
    names = ["p/b", "p/a", "p/b", "p/a", "p/c"]
    plain = pa.array(names)
    coded = plain.dictionary_encode()
    # A name that is there twice, one that is not used, and one that is null and not used.
    odd = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 2, 1, 3], pa.uint8()), pa.array(["p/b", "p/a", "p/b", "p/c", None, "p/x"])
    )
    values = pa.array([1.0, 2.0, 3.0, 4.0, 5.5])
    turns = [
        (plain, MICROSECONDS),
        (plain.cast(pa.large_string()), pa.timestamp("ms", tz="UTC")),
        (plain.cast(pa.string_view()), pa.timestamp("ns", tz="Europe/Berlin")),
        (coded, pa.timestamp("s")),
        (coded.cast(pa.dictionary(pa.int64(), pa.large_string())), pa.timestamp("us")),
        (odd, MICROSECONDS),
    ]
    for turn, (signal, of) in enumerate(turns):
        at = turn * 10_000_000
        moments = times(at, at, at + 1_000_000, at + 1_000_000, at, of=of)
        sequence = put([batch(signal=signal, time=moments, value=values)])
        assert sequence[0] > 0, sequence
        got = [row[:3] for row in stored("p/%") if at <= row[1] < at + 10_000_000]
        wanted = [
            ("p/a", at, 2.0),
            ("p/a", at + 1_000_000, 4.0),
            ("p/b", at, 1.0),
            ("p/b", at + 1_000_000, 3.0),
            ("p/c", at, 5.5),
        ]
        assert got == wanted, f"turn {turn}: {got}"
    # More rows than names, in rounds, so that what came before is recognised.
    rounds = 3000
    signal = pa.array(["r/a", "r/b", "r/c"] * rounds)
    moments = times(*(row // 3 for row in range(3 * rounds)))
    values = pa.array([float(row) for row in range(3 * rounds)])
    for signal in [signal, signal.dictionary_encode()]:
        put([batch(signal=signal, time=moments, value=values)])
        wanted = [(f"r/{'abc'[n]}", i, 3.0 * i + n) for n in range(3) for i in range(rounds)]
        assert [row[:3] for row in stored("r/%")] == wanted

    big = 2**63 - 1
    put([batch(signal=pa.array(["i"] * 2), time=times(0, 1), value_int=pa.array([big, -5]))])
    assert stored("i") == [("i", 0, float(big), big, None, 0), ("i", 1, -5.0, -5, None, 0)]

    texts = pa.array(["on", "on", "ü"])
    for moment, texts in [(0, texts), (10, texts.dictionary_encode())]:
        at = times(moment, moment + 1, moment + 2)
        put([batch(signal=pa.array(["t"] * 3), time=at, value_text=texts)])
    assert [row[4] for row in stored("t")] == ["on", "on", "ü"] * 2

    codes = pa.array([0, 0x8000_0000, None, 0xFFFF_FFFF])
    values = pa.array([1.0, None, 3.0, None])
    signal = pa.array(["q"] * 4)
    put([batch(signal=signal, time=times(0, 1, 2, 3), value=values, quality=codes)])
    got = [(row[2], row[5]) for row in stored("q")]
    assert got == [(1.0, 0), (None, 0x8000_0000), (3.0, 0), (None, 0xFFFF_FFFF)], f"I2: {got}"

    # What a SELECT on `samples` gives can be put again; the exact value counts.
    mixed = batch(
        signal=pa.array(["m/i", "m/t", "m/f", "m/n"]),
        time=times(0, 0, 0, 0),
        value=pa.array([9007199254740992.0, None, 0.5, None]),
        value_int=pa.array([9007199254740993, None, None, None]),
        value_text=pa.array([None, "x", None, None]),
    )
    put([mixed])
    got = [row[2:5] for row in stored("m/%")]
    wanted = [(0.5, None, None), (9007199254740992.0, 9007199254740993, None)]
    assert got == wanted + [(None, None, None), (None, None, "x")], got

    # A batch without rows is answered too.
    assert len(put([mixed.slice(0, 0), mixed])) == 2


def wrong():
    """A wrong batch is refused with its column's name, and nothing of it is stored."""
    one = {"signal": pa.array(["w"]), "time": times(0), "value": pa.array([1.0])}

    def changed(**columns):
        return batch(**{name: column for name, column in (one | columns).items() if column})

    table = [
        (changed(signal=None), ["column 'signal' is missing", "utf8"]),
        (changed(time=None), ["column 'time' is missing", "timestamp"]),
        (changed(value=None), ["value, value_int or value_text"]),
        (changed(signal=pa.array([5])), ["column 'signal' is of type Int64", "cast it to utf8"]),
        (changed(time=pa.array([5])), ["column 'time' is of type Int64", "cast it to timestamp"]),
        (changed(value=pa.array([5])), ["column 'value' is of type Int64", "cast it to float64"]),
        (changed(value_int=pa.array([5.0])), ["column 'value_int'", "cast it to int64"]),
        (changed(value_text=pa.array([5.0])), ["column 'value_text'", "cast it to utf8"]),
        (changed(quality=pa.array([0.0])), ["column 'quality'", "cast it to int64"]),
        (changed(quality=pa.array([-1])), ["row 0 of column 'quality' is -1"]),
        (changed(status=pa.array(["good"])), ["column 'status' is not known", "the columns are"]),
        (changed(signal=pa.array([None], pa.string())), ["row 0 of column 'signal' is null"]),
        (changed(time=pa.array([None], MICROSECONDS)), ["row 0 of column 'time' is null"]),
        (
            changed(time=pa.array([1500], pa.timestamp("ns"))),
            ["row 0 of column 'time' is 1500 ns", "cast the column to timestamp[us]"],
        ),
        (changed(time=pa.array([2**62], pa.timestamp("s"))), ["row 0 of column 'time' is beyond"]),
        (changed(signal=pa.array([""])), ["signal"]),
        (
            changed(signal=pa.array(["good"]), value=None, value_text=pa.array(["x"])),
            ["'good' is of type float", "text 'x'"],
        ),
    ]
    good = batch(signal=pa.array(["good"]), time=times(0), value=pa.array([1.0]))
    put([good])
    for bad, words in table:
        try:
            put([bad])
        except (pa.ArrowInvalid, flight.FlightServerError) as error:
            for word in words + ["batch 1"]:
                assert word in str(error), f"{word!r} is not in {error}"
        else:
            raise AssertionError(f"{words}: was taken")
        assert stored("w") == [], f"{words}: nothing is stored"
    before = batch(signal=pa.array(["good"]), time=times(7), value=pa.array([7.0]))
    number = {"producer": "p", "epoch": 1}
    try:
        put([before], [number])
    except pa.ArrowInvalid as error:
        assert "sequence" in str(error) and "its number" in str(error), error
    else:
        raise AssertionError("half a number was taken")
    # What came before the wrong batch is stored.
    twice = pa.record_batch([pa.array(["good"]), times(9), pa.array([9.0])], good.schema)
    late = pa.record_batch([pa.array([None], pa.string()), times(9), pa.array([9.0])], good.schema)
    try:
        put([before, twice, late])
    except pa.ArrowInvalid as error:
        assert "batch 3" in str(error), error
    else:
        raise AssertionError("null was taken")
    assert [row[1] for row in stored("good")] == [0, 7, 9]
    try:
        put([good], path="elsewhere")
    except KeyError as error:
        assert "samples" in str(error), error
    else:
        raise AssertionError("a path that is not there was taken")
    client, _ = connect()
    try:
        descriptor = flight.FlightDescriptor.for_path("samples")
        writer, _ = client.do_put(descriptor, good.schema)
        writer.write_batch(good)
        writer.close()
    except flight.FlightUnauthenticatedError:
        return
    raise AssertionError("who has not logged in was let in")


def history(like):
    question = "SELECT value FROM samples_history WHERE signal LIKE %s ORDER BY time, sequence"
    with doors.postgres() as connection, connection.cursor() as cursor:
        return [value for (value,) in cursor.execute(question, (like,)).fetchall()]


def numbers(*sequences):
    return [{"producer": "edge-1", "epoch": 7, "sequence": sequence} for sequence in sequences]


def numbered_batches():
    make = lambda value: batch(signal=pa.array(["n"]), time=times(value), value=pa.array([float(value)]))
    return [make(value) for value in range(4)]


def numbered():
    """A batch that is sent again is stored once, in one stream and in another (I3)."""
    one, two, three, _ = numbered_batches()
    sequences = put([one, one, two, one], numbers(1, 1, 2, 1))
    assert sequences == sorted(sequences), sequences
    put([two, three], numbers(2, 3))
    assert history("n") == [0.0, 1.0, 2.0], "I3"


def again():
    """What `numbered` put is not stored again by a server that has been started anew."""
    _, two, three, four = numbered_batches()
    put([two, three, four], numbers(2, 3, 4))
    assert history("n") == [0.0, 1.0, 2.0, 3.0], "I3"


def order():
    """Many batches in one stream are stored in their order: of one time the last counts."""
    make = lambda value: batch(signal=pa.array(["o"]), time=times(0), value=pa.array([float(value)]))
    sequences = put([make(value) for value in range(500)])
    assert sequences == sorted(sequences), "in the order of the batches"
    assert [row[2] for row in stored("o")] == [499.0]
    assert history("o") == [float(value) for value in range(500)]


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    print("ok")
