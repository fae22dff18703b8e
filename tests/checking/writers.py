"""Writers that send numbered batches through every door and note what was acknowledged.

A writer goes on when what it sent before is acknowledged; what is not comes again, in its order,
and not always through the door that it went through at first. It corrects and deletes samples of
its own.
"""

import random
import threading
import time
from dataclasses import dataclass

from checking.records import Batch, Deletion, Record
from checking.samples import tag_of, time_of
from checking.senders import Http, Refused, Stream, Unheard
from checking.server import REQUEST_MAX

BATCH_SAMPLES_MAX = 80
# Batches that may be under way in one Flight stream.
UNDER_WAY_MAX = 6
FORGET_ONE_IN = 12
CORRECT_ONE_IN = 4
DELETE_ONE_IN = 60
BY_HAND_ONE_IN = 25
EPOCH_ONE_IN = 80


class Gate:
    """Where writers wait while the server is off."""

    def __init__(self):
        self.condition = threading.Condition()
        self.doors = None
        self.over = False
        self.acknowledged = 0
        self.samples = 0
        self.busy = 0

    def open(self, doors):
        with self.condition:
            self.doors = dict(doors)
            self.condition.notify_all()

    def close(self):
        """Lets nobody in any more, and waits for those who are inside."""
        with self.condition:
            self.doors = None
            self.condition.wait_for(lambda: self.busy == 0, timeout=2 * REQUEST_MAX)

    def end(self):
        with self.condition:
            self.over = True
            self.condition.notify_all()

    def count(self, samples):
        with self.condition:
            self.acknowledged += 1
            self.samples += samples
            self.condition.notify_all()

    def wait_acknowledged(self, count, seconds):
        """Whether so many batches were acknowledged in all."""
        with self.condition:
            return self.condition.wait_for(lambda: self.acknowledged >= count, timeout=seconds)


@dataclass
class Waiting:
    """What is not acknowledged yet, or what is as if it were not."""

    step: Batch | Deletion
    sent: bool = False
    heard: bool = False


class Writer(threading.Thread):
    """Sends batches in their order."""

    def __init__(self, number, seed, gate, folder):
        super().__init__(daemon=True)
        self.number = number
        self.random = random.Random(f"{seed}/{number}")
        self.gate = gate
        self.record = Record(folder, number)
        self.places = self.samples = self.sequence = self.resent = 0
        self.epoch = 1
        self.waiting = []
        self.versions = {}
        self.refused = []
        self.through = {"line protocol": 0, "Flight": 0, "GraphQL": 0, "deletions": 0}
        self.http = None
        self.doors = None

    def run(self):
        while True:
            with self.gate.condition:
                self.gate.condition.wait_for(lambda: self.gate.doors or self.gate.over)
                if self.gate.over:
                    return
                doors = self.gate.doors
                self.gate.busy += 1
            try:
                self.step(doors)
            except Unheard:
                self.hang_up()
                time.sleep(0.002)
            except Refused as refused:
                self.refused.append(str(refused))
                time.sleep(0.05)
            finally:
                with self.gate.condition:
                    self.gate.busy -= 1
                    self.gate.condition.notify_all()

    def step(self, doors):
        """Sends what waits once, or something new."""
        if self.doors is not doors:
            self.hang_up()
            self.http, self.doors = Http(doors["http"]), doors
        if not self.waiting:
            self.draw()
        step = self.waiting[0].step
        if isinstance(step, Deletion):
            again = self.about_to_send(0)
            self.heard(self.http.delete(step), again, "deletions")
        elif not step.numbered:
            # Nobody could tell that it came before, so it is sent once, whatever becomes of it.
            self.about_to_send(0)
            waiting = self.waiting.pop(0)
            self.note(waiting, self.http.write_by_hand(self.number, step), "GraphQL")
        elif self.random.randrange(2) == 0:
            again = self.about_to_send(0)
            self.heard(self.http.write(self.number, step), again, "line protocol")
        else:
            self.stream(doors["flight"])

    def stream(self, address):
        """Sends all that waits through one Flight stream."""
        stream = Stream(address)
        try:
            under_way = []
            for place, waiting in enumerate(self.waiting):
                under_way.append(self.about_to_send(place))
                stream.put(self.number, waiting.step)
            for again in under_way:
                self.heard(stream.answer(), again, "Flight")
        finally:
            stream.close()

    def about_to_send(self, place):
        """Notes it, unless that is done; answers whether it was sent before."""
        waiting = self.waiting[place]
        if waiting.sent:
            self.resent += 1
            return True
        self.record.sent(waiting.step)
        waiting.sent = True
        return False

    def heard(self, sequence, again, door):
        """The first that waits is acknowledged; what was sent before may have another sequence."""
        waiting = self.waiting[0]
        self.note(waiting, None if again else sequence, door)
        # Now and then the acknowledgement is forgotten, and it comes again.
        if len(self.waiting) > 1 or self.random.randrange(FORGET_ONE_IN) != 0:
            self.waiting.pop(0)

    def note(self, waiting, sequence, door):
        if waiting.heard:
            return
        waiting.heard = True
        step = waiting.step
        samples = step.count() if isinstance(step, Batch) else 0
        self.record.acknowledged(step.place, sequence)
        self.through[door] += samples or 1
        self.gate.count(samples)

    def draw(self):
        """What comes next."""
        if self.samples and self.random.randrange(DELETE_ONE_IN) == 0:
            number = self.random.randrange(self.samples)
            late = time_of(number + 7 * self.random.randint(0, 300))
            tag = tag_of(self.number, number)
            self.wait(Deletion(self.place(), tag, time_of(number), late))
            return
        if self.random.randrange(EPOCH_ONE_IN) == 0:
            self.epoch, self.sequence = self.epoch + 1, 0
        if self.random.randrange(BY_HAND_ONE_IN) == 0:
            self.wait(self.batch(numbered=False))
            return
        for _ in range(self.random.randint(1, UNDER_WAY_MAX)):
            self.wait(self.batch(numbered=True))

    def wait(self, step):
        self.waiting.append(Waiting(step))

    def place(self):
        self.places += 1
        return self.places

    def batch(self, numbered):
        first = self.samples
        self.samples += self.random.randint(1, BATCH_SAMPLES_MAX)
        again = []
        if self.random.randrange(CORRECT_ONE_IN) == 0:
            for _ in range(self.random.randint(1, 5)):
                number = self.random.randrange(self.samples)
                self.versions[number] = self.versions.get(number, 0) + 1
                again.append([number, self.versions[number]])
        if numbered:
            self.sequence += 1
        sequence = self.sequence if numbered else 0
        return Batch(self.place(), numbered, self.epoch, sequence, first, self.samples, again)

    def hang_up(self):
        if self.http is not None:
            self.http.close()
        self.http = self.doors = None
