"""Promises about starting and stopping a server, and what the server leaves behind."""

import os
import signal
import socket
import subprocess
import time

import wire
from harness import check, processes_with, promise, until


@promise(
    "A server that drains lets running commands finish with their own status, and accepts no new "
    "connections.",
    "SIGTERM to a server with a running command; attempts to connect meanwhile",
    "TelpherServerTests/DrainTests.swift")
def drain(lab):
    server = lab.serve()
    client = lab.start_shell("echo here; sleep 1; exit 7", on=server)
    server.kill(signal.SIGTERM)
    until(lambda: not os.path.exists(server.path) or not _connects(server.path),
          what="the server to accept no more connections")
    status = client.wait()
    check(status == 7, f"the command ended with {status}")
    ended = server.wait(15)
    check(ended == 0, f"the server ended with {ended}")
    return "the command ended with its own status 7, the server with 0"


def _connects(path):
    try:
        wire.connect(path).close()
        return True
    except OSError:
        return False


@promise(
    "A second SIGTERM ends a server and its commands at once.",
    "SIGTERM twice to a server whose command ignores SIGTERM",
    "TelpherCLITests/ServeTests.swift")
def second_signal(lab):
    server = lab.serve()
    client = lab.start_shell(f"trap '' TERM; echo here; sleep {lab.marker}", on=server)
    server.kill(signal.SIGTERM)
    until(lambda: not _connects(server.path), what="the server to accept no more connections")
    begin = time.monotonic()
    server.kill(signal.SIGTERM)
    server.wait(10)
    seconds = time.monotonic() - begin
    lab.gone()
    check(client.wait() != 0, "the client ended with status 0")
    check(seconds < 3, f"it took {seconds:.1f} s")
    return f"the server ended after {seconds:.2f} s; no process was left"


@promise(
    "After a server was killed, its commands end and a new server can start at the same address.",
    "kill -9 of a server with a running command, then a new server on the same socket",
    "TelpherCLITests/ServeTests.swift")
def restart(lab):
    folder = lab.path("place")
    folder.mkdir()
    path = folder / "socket"
    command = [lab.program, "serve", "--listen", f"unix:{path}", "--root", str(folder)]
    first = lab._serving(command, "first", 1, None, {})
    lab.start([lab.program, "run", "--on", f"unix:{path}", "--", "sleep", lab.marker])
    until(lambda: len(processes_with(lab.marker)) >= 2, what="the command to run")
    first.kill()
    first.wait()
    second = lab._serving(command, "second", 1, None, {})
    ended = lab.run("echo", "again", on=second)
    check(ended.stdout == b"again\n", f"{ended.stderr.decode()}")
    seconds = lab.gone(seconds=10)
    return f"the new server ran a command; the old command ended {seconds:.1f} s later"


@promise(
    "SIGTERM stops a server even if it was started with signals blocked or ignored.",
    "SIGTERM to a server that was started with SIGTERM blocked and SIGINT ignored",
    "TelpherCLITests/ServeTests.swift")
def inherited_signals(lab):
    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    server = lab.serve(preexec_fn=block)
    ended = lab.run("sh", "-c", "kill -TERM $$; sleep 5", on=server)
    check(ended.returncode == 143,
          f"a command started with SIGTERM blocked: status {ended.returncode}")
    server.kill(signal.SIGTERM)
    status = server.wait(10)
    check(status == 0, f"the server ended with {status}")
    return "SIGTERM ended it with status 0; its commands start with no signal blocked"


@promise(
    "Commands inherit only the three standard descriptors.",
    "`ls /proc/self/fd` on a server with 50 connections",
    "TelpherProcessTests/DescriptorTests.swift")
def child_descriptors(lab):
    server = lab.serve(tcp=True)
    clients = [wire.connect(server.path) for _ in range(50)]
    ended = lab.run("sh", "-c", "ls /proc/$$/fd", on=server)
    for client in clients:
        client.close()
    found = ended.stdout.split()
    check(set(found) <= {b"0", b"1", b"2", b"10", b"255"} and b"0" in found, f"{found}")
    check(len(found) <= 4, f"{found}")
    return f"descriptors {b' '.join(found).decode()}"
