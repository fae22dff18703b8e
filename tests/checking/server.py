"""A ParX server as a process that is killed and started many times on one data folder."""

import base64
import http.client
import json
import os
import signal
import subprocess
import threading
import time

import psycopg

USER = "admin"
PASSWORD = "the checker's own password"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
START_MAX = 120.0
REQUEST_MAX = 60.0

CONFIG = """\
[log]
linger_ms = 2

[compaction]
seal_after_s = 1
seal_rows = 1500
seal_bytes = 1000000
"""


class Failure(Exception):
    """The server did not do what every server has to do."""


class Server:
    """The server's process, killed and started many times on one data folder."""

    def __init__(self, parx, folder, switches):
        self.folder = folder
        password = folder / "password"
        password.write_text(PASSWORD + "\n")
        config = folder / "parx.toml"
        config.write_text(CONFIG)
        self.data = folder / "data"
        self.command = [str(parx), "serve", "--data", str(self.data), "--config", str(config)]
        for door in ("http", "postgres", "flight"):
            self.command += [f"--{door}", "127.0.0.1:0"]
        for switch in switches:
            self.command += ["--test-switch", switch]
        self.environment = os.environ | {
            "PARX_ADMIN_PASSWORD_FILE": str(password),
            "NO_COLOR": "1",
        }
        self.trace = folder / "stderr.txt"
        self.process = None
        self.doors = {}
        self.starts = 0
        self.kills = 0

    def launch(self):
        """Starts it; its doors are not open yet."""
        with self.trace.open("ab") as trace:
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=trace, env=self.environment, text=True
            )
        self.starts += 1

    def start(self):
        """Starts it and waits for its doors."""
        self.launch()
        guard = threading.Timer(START_MAX, self.process.kill)
        guard.start()
        try:
            for line in self.process.stdout:
                if line.startswith("ready "):
                    self.doors = dict(word.split("=", 1) for word in line.split()[1:])
                    return
        finally:
            guard.cancel()
        code = self.process.wait()
        raise Failure(f"start {self.starts} ended with {code}: {self.last_words()}")

    def last_words(self):
        """The end of what it said."""
        lines = self.trace.read_text(errors="replace").splitlines()
        return " | ".join(lines[-8:])

    def kill(self):
        """Ends it as a power cut would, but for the disk's cache."""
        if self.process.poll() is not None:
            raise Failure(f"it ended by itself: {self.process.returncode}: {self.last_words()}")
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.kills += 1

    def pause(self, seconds):
        """Lets it stand still, and go on."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """Ends it as a person would."""
        self.process.send_signal(signal.SIGTERM)
        self.ended()

    def ended(self):
        """Waits for the end after SIGTERM."""
        code = self.process.wait(timeout=START_MAX)
        self.process.stdout.close()
        if code != 0:
            raise Failure(f"after SIGTERM it exited with {code}: {self.last_words()}")

    def end(self):
        """Leaves no process behind."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def postgres(self):
        """A connection to its Postgres door."""
        host, port = self.doors["postgres"].rsplit(":", 1)
        return psycopg.connect(
            host=host, port=port, user=USER, password=PASSWORD, dbname="parx", autocommit=True
        )

    def graphql(self, query, **variables):
        """Asks its GraphQL door."""
        connection = http.client.HTTPConnection(self.doors["http"], timeout=REQUEST_MAX)
        body = json.dumps({"query": query, "variables": variables})
        headers = {"Content-Type": "application/json", "Authorization": BASIC}
        connection.request("POST", "/graphql", body, headers)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        if answer.get("errors"):
            raise Failure(f"GraphQL: {answer['errors']}")
        return answer["data"]
