"""What each sample of the checker has to be, from its number: signal, time and value."""

import hashlib
from datetime import datetime, timedelta, timezone

SIGNALS_PER_WRITER = 6
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
BASE = int((datetime(2025, 6, 1, tzinfo=timezone.utc) - EPOCH).total_seconds()) * 1_000_000
# Microseconds between two samples of a writer.
STEP = 1000
# Every seventh sample comes late, by ten years.
LATE = 10 * 365 * 86_400 * 1_000_000


def time_of(number):
    """Microseconds since 1970 of a writer's sample; no two samples of a writer share one."""
    return BASE + number * STEP - (LATE if number % 7 == 3 else 0)


def iso(micros):
    """A time as GraphQL takes it."""
    return (EPOCH + timedelta(microseconds=micros)).isoformat()


def tag_of(writer, number):
    """The signal that a sample belongs to."""
    return f"check/w{writer}/s{number % SIGNALS_PER_WRITER}/v"


def value_of(writer, number, version):
    """The value that a version of a sample has to have: a hash, as integer, float or text."""
    text = f"{writer}/{number}/{version}".encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    signal = number % SIGNALS_PER_WRITER
    if signal == SIGNALS_PER_WRITER - 1:
        return digest.hex()
    whole = int.from_bytes(digest, "big", signed=True)
    return whole if signal < 3 else whole / 1024


def columns_of(value):
    """The value as the columns value, value_int and value_text have it."""
    if isinstance(value, str):
        return None, None, value
    return float(value), value if isinstance(value, int) else None, None
