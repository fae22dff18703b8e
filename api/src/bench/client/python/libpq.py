"""Asks a server that speaks Postgres through libpq, for `parx bench query`.

Reads JSON lines: first {"conninfo": "..."}, then {"sql": "..."} each.
Every statement goes unnamed through the extended protocol, its answer comes in binary. Answers with
a line: wall and own processor time in milliseconds, rows, and the sum of all numbers in the answer.
"""

import json
import resource
import struct
import sys
import time

from psycopg import pq

READ = {701: "!d", 700: "!f", 20: "!q", 23: "!i", 21: "!h"}


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def total(result):
    """The sum of the numbers; what is not finite does not count."""
    numbers = 0.0
    for column in range(result.nfields):
        read = READ.get(result.ftype(column))
        # Integers that only say which row it is have the same names as in duckdb.py.
        if read is None or result.fname(column) in (b"signal_id", b"bucket", b"hour"):
            continue
        for row in range(result.ntuples):
            cell = result.get_value(row, column)
            if cell is not None:
                number = struct.unpack(read, cell)[0]
                numbers += number if number - number == 0 else 0.0
    return numbers


connection = pq.PGconn.connect(json.loads(sys.stdin.readline())["conninfo"].encode())
if connection.status != pq.ConnStatus.OK:
    sys.exit(connection.error_message.decode())
print(json.dumps({"version": pq.__build_version__}), flush=True)
for line in sys.stdin:
    sql = json.loads(line)["sql"].encode()
    begun, used = time.perf_counter(), cpu()
    result = connection.exec_params(sql, None, result_format=pq.Format.BINARY)
    wall, used = time.perf_counter() - begun, cpu() - used
    if result.status == pq.ExecStatus.TUPLES_OK:
        said = {"wall_ms": wall * 1e3, "cpu_ms": used * 1e3}
        said |= {"rows": result.ntuples, "sum": total(result)}
    else:
        said = {"error": result.error_message.decode()}
    print(json.dumps(said), flush=True)
