"""The doors that take samples: line protocol over HTTP, Arrow record batches over Flight, GraphQL.

A sender answers with the server's sequence. It raises `Refused` where the server says no, and
`Unheard` where there was no whole answer, so that nobody knows what was stored.
"""

import http.client
import json

import pyarrow as pa
import pyarrow.flight as flight

from checking.samples import SIGNALS_PER_WRITER, columns_of, iso, tag_of, time_of, value_of
from checking.server import BASIC, REQUEST_MAX

SCHEMA = pa.schema(
    [
        ("signal", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("value", pa.float64()),
        ("value_int", pa.int64()),
        ("value_text", pa.string()),
    ]
)


class Refused(Exception):
    """The server said no."""


class Unheard(Exception):
    """There was no whole answer."""


class Http:
    """Line protocol and GraphQL on one connection."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=REQUEST_MAX)

    def close(self):
        self.connection.close()

    def post(self, path, body, headers):
        try:
            headers = {"Authorization": BASIC} | headers
            self.connection.request("POST", path, body, headers)
            answer = self.connection.getresponse()
            return answer, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise Unheard(str(error)) from error

    def write(self, producer, batch):
        """Line protocol."""
        lines = "\n".join(line_of(producer, *row) for row in batch.rows())
        headers = {
            "ParX-Producer": f"writer-{producer}",
            "ParX-Epoch": str(batch.epoch),
            "ParX-Sequence": str(batch.sequence),
        }
        version = 1 + batch.place % 2
        answer, text = self.post(f"/api/v{version}/write?precision=us", lines, headers)
        if answer.status != 204:
            raise Refused(f"{answer.status} {text[:200]}")
        return int(answer.headers["parx-sequence"])

    def mutate(self, name, query, **variables):
        body = json.dumps({"query": query, "variables": variables})
        answer, text = self.post("/graphql", body, {"Content-Type": "application/json"})
        if answer.status != 200 or "errors" in json.loads(text):
            raise Refused(f"{answer.status} {text[:200]}")
        return int(json.loads(text)["data"][name])

    def write_by_hand(self, writer, batch):
        """GraphQL, which numbers no batches."""
        samples = []
        for number, version in batch.rows():
            value, whole, text = columns_of(value_of(writer, number, version))
            if whole is not None:
                cell = {"valueInt": str(whole)}
            else:
                cell = {"value": value} if text is None else {"valueText": text}
            samples.append({"tag": tag_of(writer, number), "time": iso(time_of(number))} | cell)
        query = "mutation($s: [SampleInput!]!) { write(samples: $s) }"
        return self.mutate("write", query, s=samples)

    def delete(self, deletion):
        query = (
            "mutation($tag: String!, $from: Time!, $to: Time!) "
            '{ deleteSamples(tag: $tag, from: $from, to: $to, reason: "checked") }'
        )
        begin, end = iso(deletion.begin), iso(deletion.end)
        return self.mutate("deleteSamples", query, tag=deletion.tag, **{"from": begin, "to": end})


def line_of(writer, number, version):
    """The sample in line protocol."""
    value = value_of(writer, number, version)
    if isinstance(value, str):
        text = f'"{value}"'
    else:
        text = f"{value}i" if isinstance(value, int) else repr(value)
    return f"check,a=w{writer},b=s{number % SIGNALS_PER_WRITER} v={text} {time_of(number)}"


class Stream:
    """One Flight stream: batches go out one after the other, answers come in their order."""

    def __init__(self, address):
        self.client = flight.FlightClient(f"grpc://{address}")
        header = (b"authorization", BASIC.encode())
        options = flight.FlightCallOptions(headers=[header])
        descriptor = flight.FlightDescriptor.for_path("samples")
        try:
            self.writer, self.results = self.client.do_put(descriptor, SCHEMA, options)
        except (pa.ArrowException, OSError) as error:
            raise Unheard(str(error)) from error

    def put(self, producer, batch):
        number = {
            "producer": f"writer-{producer}",
            "epoch": batch.epoch,
            "sequence": batch.sequence,
        }
        rows = [
            (tag_of(producer, number), time_of(number), *columns_of(value_of(producer, number, v)))
            for number, v in batch.rows()
        ]
        columns = [pa.array(column, kind) for column, kind in zip(zip(*rows), SCHEMA.types)]
        record = pa.record_batch(columns, schema=SCHEMA)
        try:
            self.writer.write_with_metadata(record, json.dumps(number).encode())
        except (pa.ArrowException, OSError) as error:
            raise Unheard(str(error)) from error

    def answer(self):
        try:
            result = self.results.read()
        except (flight.FlightUnavailableError, flight.FlightCancelledError) as error:
            raise Unheard(str(error)) from error
        except (pa.ArrowException, OSError) as error:
            raise broken(error) from error
        if result is None:
            raise Unheard("the stream ended")
        return int(json.loads(result.to_pybytes())["sequence"])

    def close(self):
        try:
            self.writer.close()
        except (pa.ArrowException, OSError):
            pass
        self.client.close()


def broken(error):
    """A connection that broke, or a no of the server."""
    signs = ("Socket closed", "reset by peer", "Broken pipe", "failed to connect", "GOAWAY")
    text = str(error)
    return Unheard(text) if any(sign in text for sign in signs) else Refused(text[:200])
