"""Ends the server with SIGKILL when a seed says: at work, standing still, starting, ending.

A round lasts from one start to the next kill. What the writers do is not the nemesis' affair; it
only opens and closes their gate.
"""

import random
import signal
import time

from checking.server import Failure

# How a round ends, and how often.
ENDS = {"at work": 12, "after a pause": 2, "while it starts": 3, "while it ends": 3}
WORK_S = (0.05, 0.6)
PAUSE_S = (0.02, 0.2)
START_S = (0.0, 0.4)
END_S = (0.0, 0.1)
# The longest wait for a first acknowledgement.
FIRST_MAX = 20.0


class Nemesis:
    """Draws how the rounds end."""

    def __init__(self, seed, server, gate):
        self.random = random.Random(f"{seed}/nemesis")
        self.server, self.gate = server, gate
        self.ends = dict.fromkeys(ENDS, 0)

    def round(self):
        """From a server that is up and a gate that is shut to a server that is killed."""
        end = self.random.choices(list(ENDS), ENDS.values())[0]
        self.work()
        if end == "after a pause":
            self.server.pause(self.random.uniform(*PAUSE_S))
        if end == "while it ends":
            self.server.process.send_signal(signal.SIGTERM)
            time.sleep(self.random.uniform(*END_S))
        # It may have been quicker to end than the nemesis.
        if end == "while it ends" and self.server.process.poll() is not None:
            self.server.ended()
            end = "at work"
            self.gate.close()
            self.server.start()
            self.work()
        self.server.kill()
        self.gate.close()
        self.ends[end] += 1
        if end == "while it starts":
            self.server.launch()
            time.sleep(self.random.uniform(*START_S))
            self.server.kill()

    def work(self):
        """Half of the times are counted from the doors, half from when writing has begun."""
        before = self.gate.acknowledged
        self.gate.open(self.server.doors)
        if self.random.randrange(2) == 0 and not self.gate.wait_acknowledged(before + 1, FIRST_MAX):
            raise Failure(f"it acknowledged nothing in {FIRST_MAX} s: {self.server.last_words()}")
        time.sleep(self.random.uniform(*WORK_S))
