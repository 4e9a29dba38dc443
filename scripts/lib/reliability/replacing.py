"""Promises about a server that is replaced by a new process while clients use it."""

import json
import pathlib
import signal
import sys
import threading
import time

from harness import HANG, Broken, check, end, processes_with, promise, until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "docs"))
import client  # noqa: E402

# How many commands a client runs on one connection before it opens the next one.
PER_CONNECTION = 40


class Load:
    """Clients that run `true` until enough commands have run. Any failure is kept."""

    def __init__(self, lab, path, port, token, total):
        self.lab, self.path, self.port, self.token = lab, path, port, token
        self.left, self.ran, self.failures = total, 0, []
        self.lock = threading.Lock()
        bodies = [self.processes] * 3 + [self.relayed] + [self.connections] * 2 + [self.tcp]
        self.threads = [threading.Thread(target=self.guarded, args=(body,)) for body in bodies]

    def guarded(self, body):
        try:
            body()
        except Exception as error:  # noqa: BLE001: every failure counts
            self.failures.append(f"{body.__name__}: {error!r}")

    def take(self, count=1):
        with self.lock:
            taken = min(count, self.left)
            self.left -= taken
            return taken

    def did_run(self, count=1):
        with self.lock:
            self.ran += count

    def processes(self, on=None, environment=None):
        while self.take():
            ended = self.lab.telpher("run", "--", "true", on=on or f"unix:{self.path}",
                                     environment=environment)
            if ended.returncode or ended.stderr:
                raise Broken(f"status {ended.returncode}: {ended.stderr.decode()[-200:]}")
            self.did_run()

    def relayed(self):
        """Over a connection that a background process keeps."""
        self.processes(f"tcp:127.0.0.1:{self.port}",
                       {"TELPHER_KEEP": "5s", "TELPHER_TOKEN_FILE": str(self.token)})

    def connections(self, address=None):
        while count := self.take(PER_CONNECTION):
            with client.Connection(address or self.path, token_file=str(self.token)) as connection:
                for _ in range(count):
                    result = connection.run(["true"])
                    if result.status:
                        raise Broken(f"status {result.status}")
                    self.did_run()

    def tcp(self):
        self.connections(f"127.0.0.1:{self.port}")


@promise(
    "A server that is replaced while clients use it turns no client away and loses no command.",
    "10,000 times `true` (1,000 with --quick) by 7 clients: processes, a kept connection, and "
    "connections with many commands, on a Unix socket and on TCP; meanwhile the server is replaced "
    "again and again, by SIGUSR2 and by `serve --replace` in turn",
    "TelpherCLITests/Serving/ReplaceTests.swift")
def replaced_server(lab):
    total = lab.of(10_000, 1_000)
    server = lab.serve(tcp=True, confined=False)
    path, port = server.path, server.port
    arguments = [lab.program, "serve", "--listen", f"unix:{path}", "--listen",
                 f"tcp:127.0.0.1:{port}", "--token-file", str(lab.token_file), "--replace"]

    def current():
        answer = lab.telpher("info", "--json", on=f"unix:{path}")
        check(answer.returncode == 0, f"no info: {answer.stderr.decode()[-200:]}")
        return json.loads(answer.stdout)["pid"]

    def await_other(pid):
        return until(lambda: (now := current()) != pid and now, HANG, "the next server")

    load = Load(lab, path, port, lab.token_file, total)
    rounds = 0
    seen = [server.pid]
    try:
        for thread in load.threads:
            thread.start()
        while any(thread.is_alive() for thread in load.threads) and not load.failures:
            if rounds % 2:
                lab._serving(arguments, "next", 2, None, {})
            else:
                end([seen[-1]], signal.SIGUSR2)
            seen.append(await_other(seen[-1]))
            rounds += 1
            time.sleep(0.2)
        for thread in load.threads:
            thread.join()
        check(not load.failures, f"after {load.ran} commands: {load.failures[:1]}")
        check(load.ran == total and rounds > 1, f"{load.ran} of {total} ran, {rounds} replacements")
        lab.telpher("disconnect", "--now")
        until(lambda: not any(pathlib.Path(f"/proc/{pid}/cmdline").exists()
                              and pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                              for pid in seen[:-1]), 20, "the end of the replaced servers")
    finally:
        lab.telpher("disconnect", "--now")
        end(processes_with(str(path)), signal.SIGKILL)
    return f"{total:,} commands, 0 failed; replaced {rounds} times, and each old server has ended"
