"""Writers of numbered batches, and what each of their samples has to be."""

import hashlib
import http.client
import random
import threading
import time
from datetime import datetime, timezone

from checking.server import BASIC, REQUEST_MAX

SIGNALS_PER_WRITER = 5
BATCH_SAMPLES_MAX = 20
FORGET_ONE_IN = 12
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
BASE = int((datetime(2025, 6, 1, tzinfo=timezone.utc) - EPOCH).total_seconds()) * 1_000_000
# Every seventh sample comes late, by ten years.
LATE = 10 * 365 * 86_400 * 1_000_000


def time_of(number):
    """Microseconds since 1970 of a writer's sample; no two samples of a writer share one."""
    return BASE + number * 1000 - (LATE if number % 7 == 3 else 0)


def number_of(micros):
    """The inverse of time_of; None where no sample can have this time."""
    for number, rest in (divmod(micros - BASE, 1000), divmod(micros - BASE + LATE, 1000)):
        if rest == 0 and number >= 0 and time_of(number) == micros:
            return number
    return None


def value_of(writer, number):
    """The value that a sample has to have: a hash, as an integer or as a float."""
    digest = hashlib.blake2b(f"{writer}/{number}".encode(), digest_size=8).digest()
    whole = int.from_bytes(digest, "big", signed=True)
    if number % SIGNALS_PER_WRITER < 3:
        return whole
    return whole / 1024


def tag_of(writer, number):
    """The signal that a sample belongs to."""
    return f"check/w{writer}/s{number % SIGNALS_PER_WRITER}/v"


def line_of(writer, number):
    """The sample in line protocol."""
    value = value_of(writer, number)
    text = f"{value}i" if isinstance(value, int) else repr(value)
    signal_number = number % SIGNALS_PER_WRITER
    return f"check,a=w{writer},b=s{signal_number} v={text} {time_of(number)}"


class Gate:
    """Where writers wait while the server is off."""

    def __init__(self):
        self.condition = threading.Condition()
        self.address = None
        self.over = False
        self.acknowledged = 0
        self.busy = 0

    def open(self, address):
        with self.condition:
            self.address = address
            self.condition.notify_all()

    def close(self):
        """Lets nobody in any more, and waits for those who are inside."""
        with self.condition:
            self.address = None
            self.condition.wait_for(lambda: self.busy == 0, timeout=2 * REQUEST_MAX)

    def wait_acknowledged(self, count, seconds):
        """Whether so many batches were acknowledged in all."""
        with self.condition:
            return self.condition.wait_for(lambda: self.acknowledged >= count, timeout=seconds)


class Writer(threading.Thread):
    """Sends batches in their order; the next one begins once the one before is acknowledged."""

    def __init__(self, number, seed, gate, folder):
        super().__init__(daemon=True)
        self.number = number
        self.random = random.Random(f"{seed}/{number}")
        self.gate = gate
        self.record = (folder / f"acknowledged-{number}.txt").open("w")
        self.sent = 0
        self.sequence = 0
        self.batch = None
        self.acknowledged = []
        self.open_batch = None
        self.resent = 0
        self.refused = []
        self.connection = None
        self.connected_to = None

    def run(self):
        while True:
            with self.gate.condition:
                self.gate.condition.wait_for(lambda: self.gate.address or self.gate.over)
                if self.gate.over:
                    return
                address = self.gate.address
                self.gate.busy += 1
            try:
                self.step(address)
            finally:
                with self.gate.condition:
                    self.gate.busy -= 1
                    self.gate.condition.notify_all()

    def step(self, address):
        """Sends one batch once."""
        if self.batch is None:
            first = self.sent
            self.sent += self.random.randint(1, BATCH_SAMPLES_MAX)
            self.sequence += 1
            self.batch = (self.sequence, first, self.sent)
            self.open_batch = self.batch
        else:
            self.resent += 1
        status = self.send(address, *self.batch)
        if status is None:
            return
        if status != 204:
            self.refused.append(status)
            time.sleep(0.05)
            return
        if self.open_batch is not None:
            sequence, first, end = self.open_batch
            self.open_batch = None
            self.acknowledged.append((first, end))
            self.record.write(f"{sequence} {first} {end}\n")
            self.record.flush()
            with self.gate.condition:
                self.gate.acknowledged += 1
                self.gate.condition.notify_all()
        # Now and then the acknowledgement is forgotten, and the batch comes again.
        if self.random.randrange(FORGET_ONE_IN) != 0:
            self.batch = None

    def send(self, address, sequence, first, end):
        """The status of the answer; none if there was no whole answer."""
        if self.connected_to != address:
            self.hang_up()
            self.connection = http.client.HTTPConnection(address, timeout=REQUEST_MAX)
            self.connected_to = address
        lines = "\n".join(line_of(self.number, number) for number in range(first, end))
        headers = {
            "Authorization": BASIC,
            "ParX-Producer": f"writer-{self.number}",
            "ParX-Epoch": "1",
            "ParX-Sequence": str(sequence),
        }
        try:
            self.connection.request("POST", "/api/v1/write?precision=us", lines, headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.hang_up()
            time.sleep(0.002)
            return None
        if answer.status != 204:
            return f"{answer.status} {text.decode(errors='replace')[:200]}"
        return 204

    def hang_up(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None
        self.connected_to = None
