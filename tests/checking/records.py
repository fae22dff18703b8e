"""What a writer noted: what it was about to send, and what was acknowledged, on disk line by line.

A note of what is sent is on disk before the first byte of it goes out, a note of an acknowledgement
after it came in. The verdict is made from these files alone.
"""

import json
from dataclasses import asdict, dataclass, field


@dataclass
class Batch:
    """Some samples that are stored whole or not at all; numbered ones come again until they are."""

    place: int
    numbered: bool
    epoch: int
    sequence: int
    first: int
    end: int
    # Corrections: number and version of samples that were sent before.
    again: list = field(default_factory=list)

    def rows(self):
        """Number and version of each sample, in their order."""
        yield from ((number, 0) for number in range(self.first, self.end))
        yield from (tuple(pair) for pair in self.again)

    def count(self):
        return self.end - self.first + len(self.again)


@dataclass
class Deletion:
    """What was stored of a signal from one time to another is not valid any more."""

    place: int
    tag: str
    begin: int
    end: int


class Record:
    """A writer's file."""

    def __init__(self, folder, writer):
        self.path = folder / f"record-{writer}.jsonl"
        self.file = self.path.open("a", encoding="ascii")

    def note(self, kind, **what):
        self.file.write(json.dumps({"kind": kind} | what, separators=(",", ":")) + "\n")
        self.file.flush()

    def sent(self, step):
        self.note(type(step).__name__.lower(), **asdict(step))

    def acknowledged(self, place, sequence):
        """`sequence` is the server's, or none if it may be that of another time it was sent."""
        self.note("acknowledged", place=place, sequence=sequence)


class Reader:
    """Reads what has been added to a writer's file since the last time."""

    def __init__(self, folder, writer):
        self.path = folder / f"record-{writer}.jsonl"
        self.offset = 0

    def new(self):
        """Batches, deletions, and acknowledgements as (place, sequence)."""
        batches, deletions, acknowledged = [], [], []
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                self.offset += len(line)
                what = json.loads(line)
                kind = what.pop("kind")
                if kind == "batch":
                    batches.append(Batch(**what))
                elif kind == "deletion":
                    deletions.append(Deletion(**what))
                else:
                    acknowledged.append((what["place"], what["sequence"]))
        return batches, deletions, acknowledged
