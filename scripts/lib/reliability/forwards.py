"""Promises about forwarded connections."""

import contextlib
import hashlib
import random
import re
import socket
import struct
import threading

from harness import HANG, Broken, check, promise, until

# The first byte of a connection tells the service what to do.
DIGEST, RESET, WATCH = b"D", b"R", b"W"
# What the service sends before it resets the connection.
PART = b"a part of an answer"


class Service:
    """A service on loopback. DIGEST: it reads to the end and answers with the digest and half of
    what it read, RESET: it sends `PART` and resets, WATCH: it sends `PART` and notes how the connection
    ends."""

    def __init__(self):
        self.ends = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                connection.settimeout(HANG)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            kind = connection.recv(1)
            if kind == DIGEST:
                received = read_all(connection)
                connection.sendall(
                    hashlib.sha256(received).digest() + received[:len(received) // 2])
            elif kind == RESET:
                connection.sendall(PART)
                # Until the other side has it all: a reset may overtake bytes.
                connection.recv(1)
                reset(connection)
            elif kind == WATCH:
                try:
                    connection.sendall(PART)
                    read_all(connection)
                    self.ends.append("end")
                except ConnectionResetError:
                    self.ends.append("reset")


def read_all(connection):
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def dial(port):
    return socket.create_connection(("127.0.0.1", port), timeout=HANG)


def start(lab, server, target, reverse):
    """Starts `telpher forward` to the port `target`; returns it and the port that leads there."""
    ends = [f"127.0.0.1:{target}", "127.0.0.1:0"]
    forwarder = lab.start(
        [lab.program, "forward", "--on", f"unix:{server.path}",
         *(["--reverse"] if reverse else []), *(ends if reverse else reversed(ends))],
        name="forward")
    found = until(
        lambda: re.search(r"listening on \S*:(\d+)", forwarder.errors()), what="its port")
    return forwarder, int(found.group(1))


def digest_all(port, count, seed):
    """Sends bytes over `count` connections at once, ends each, and compares the answers."""
    wrong = []

    def one(number):
        try:
            sent = random.Random(seed + number).randbytes(number * 997 % 300_000)
            with dial(port) as connection:
                connection.sendall(DIGEST + sent)
                connection.shutdown(socket.SHUT_WR)
                answer = read_all(connection)
            if answer != hashlib.sha256(sent).digest() + sent[:len(sent) // 2]:
                wrong.append(f"connection {number}: {len(answer)} bytes for {len(sent)}")
        except OSError as error:
            wrong.append(f"connection {number}: {error}")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not wrong, f"{len(wrong)} of {count} connections were wrong: {wrong[:2]}")


@promise(
    "A forwarded connection carries exactly the bytes and ends of its socket: an end is an end, a "
    "reset is a reset.",
    "`telpher forward` and `forward --reverse`: 200 connections at once (50 with --quick) that end "
    "their side before the service answers; a service that resets after a part of its answer; a "
    "client that resets; a service that refuses",
    "TelpherEndToEndTests/ForwardTests.swift")
def forwarded_ends(lab):
    server = lab.serve(confined=False)
    count = lab.of(200, 50)
    service = Service()
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = unused.getsockname()[1]
    for reverse in (False, True):
        name = "forward --reverse" if reverse else "forward"
        forwarder, port = start(lab, server, service.port, reverse)
        digest_all(port, count, count)
        with dial(port) as connection:
            connection.sendall(RESET)
            check(connection.recv(len(PART), socket.MSG_WAITALL) == PART, "a part is missing")
            connection.sendall(b"x")
            try:
                rest = read_all(connection)
                raise Broken(f"{name}: the reset of a service became an end after {len(rest)} bytes")
            except ConnectionResetError:
                pass
        service.ends.clear()
        connection = dial(port)
        connection.sendall(WATCH + bytes(1000))
        # A reset may overtake bytes: wait until the service has got the first.
        check(connection.recv(len(PART), socket.MSG_WAITALL) == PART, "a part is missing")
        reset(connection)
        until(lambda: service.ends, what="the end of the connection at the service")
        check(service.ends == ["reset"], f"{name}: the reset of a client became {service.ends}")
        refusing, refused = start(lab, server, closed, reverse)
        with dial(refused) as connection:
            try:
                check(read_all(connection) == b"", f"{name}: bytes from a service that refuses")
            except ConnectionResetError:
                pass
        until(lambda: "refused" in refusing.errors(), what="a message about the refusal")
        check(refusing.is_alive(), f"{name} ends if the service refuses")
        digest_all(port, 10, 1)
        check(forwarder.is_alive(), f"{name} has ended")
    service.close()
    return (f"2 x {count} connections at once: all bytes and ends; both resets arrived as resets; "
            "a refusal is reported, and the others go on")
