"""Runs a flood of one kind: flooder.py KIND ADDRESS SECONDS. ADDRESS is the path of a Unix socket
or a port of 127.0.0.1. Prints `begins` at the start, and at the end a count and its unit."""

import json
import random
import selectors
import socket
import sys
import time

import peers
import wire

REASON = b"\0\0\0\x09" + b"\0" * 8


def until(end):
    while time.monotonic() < end:
        yield


def send_and_leave(address, text):
    """Opens a connection, sends `text` and closes the connection without reading."""
    try:
        with wire.connect(address) as client:
            client.settimeout(0.5)
            client.sendall(text)
    except OSError:
        pass


def junk(address, end):
    chance, count = random.Random(1), 0
    for _ in until(end):
        send_and_leave(address, chance.randbytes(64))
        count += 1
    return count, "connections"


def halfopen(address, end):
    text = wire.PREFACE + wire.hello(auth={"nonce": "cd" * 32})
    selector, count = selectors.DefaultSelector(), 0
    open_ones = set()
    for _ in until(end):
        while len(open_ones) < 512 and time.monotonic() < end:
            try:
                client = wire.connect(address)
                client.sendall(text[:40])
            except OSError:
                break
            client.setblocking(False)
            selector.register(client, selectors.EVENT_READ)
            open_ones.add(client)
            count += 1
            if count % 16 == 0:
                break
        for key, _ in selector.select(0.001):
            try:
                alive = key.fileobj.recv(4096)
            except BlockingIOError:
                continue
            except OSError:
                alive = b""
            if not alive:
                selector.unregister(key.fileobj)
                open_ones.discard(key.fileobj)
                key.fileobj.close()
    for client in open_ones:
        client.close()
    return count, "connections"


def handshakes(address, end):
    # The beginning of a ClientHello: a record of 512 bytes, in which one has 508.
    text = bytes.fromhex("16030102000100 01fc0303") + bytes(501)
    selector, count = selectors.DefaultSelector(), 0
    places = 2_000
    # When each place is to be used again, and what each connection has sent.
    free, sent = [0.0] * places, {}
    tick = time.monotonic() + 1
    for now in iter(time.monotonic, None):
        if now >= end:
            break
        while free and free[0] <= now:
            free.pop(0)
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", address))
            selector.register(client, selectors.EVENT_READ)
            sent[client] = 0
            count += 1
        for key, _ in selector.select(0.01):
            client = key.fileobj
            try:
                alive = client.recv(4096)
            except BlockingIOError:
                continue
            except OSError:
                alive = b""
            if not alive:
                selector.unregister(client)
                del sent[client]
                client.close()
                free.append(now + 1)
        if now >= tick:
            tick = now + 1
            # Every second connection stays silent.
            for client in list(sent)[::2]:
                try:
                    sent[client] += client.send(text[sent[client]:sent[client] + 1])
                except OSError:
                    pass
    for client in sent:
        client.close()
    return count, "connections"


def tokens(address, end):
    # The proof follows without waiting for the server's, so the server has to check it.
    count = 0
    text = wire.PREFACE + wire.hello(auth={"nonce": "cd" * 32}) + wire.frame(
        wire.AUTH, 0, b"\xef" * 32)
    for _ in until(end):
        send_and_leave(address, text)
        count += 1
    return count, "connections"


class Drained:
    """A connection that reads and drops the server's answers whenever it sends."""

    def __init__(self, address, **options):
        self.client = wire.Client(address, **options)
        self.client.await_hello()
        self.client.socket.setblocking(False)

    def send(self, data):
        """Sends `data` for at most 1 s; returns whether the connection is still open."""
        view = memoryview(data)
        deadline = time.monotonic() + 1
        while view and time.monotonic() < deadline:
            try:
                view = view[self.client.socket.send(view):]
            except BlockingIOError:
                time.sleep(0.001)
            except OSError:
                return False
            if not self.read():
                return False
        return True

    def read(self):
        try:
            return bool(self.client.socket.recv(1 << 18))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def close(self):
        self.client.close()


def repeat(address, end, rounds, **options):
    """Opens connections and calls `rounds(connection)` on each until that returns 0; returns the
    sum of the counts."""
    count = 0
    for _ in until(end):
        try:
            connection = Drained(address, **options)
        except (OSError, wire.Broken):
            continue
        for _ in until(end):
            sent = rounds(connection)
            if not sent:
                break
            count += sent
        connection.close()
    return count


def reset(address, end):
    def rounds(connection):
        frames = []
        for _ in range(20):
            stream = connection.client.next
            connection.client.next += 2
            frames += [wire.frame(wire.OPEN, stream, wire.run_request("sleep", "0.01"), flags=1),
                       wire.frame(wire.RESET, stream, REASON)]
        return 20 if connection.send(b"".join(frames)) else 0

    return repeat(address, end, rounds), "OPENs"


def gets(address, end):
    def rounds(connection):
        client = connection.client
        first = client.next
        frames = []
        for _ in range(1_024):
            frames.append(wire.frame(wire.OPEN, client.next, {"op": "get", "path": "f"}, flags=1))
            client.next += 2
        if not connection.send(b"".join(frames)):
            return 0
        pause = time.monotonic() + 1
        while time.monotonic() < min(pause, end) and connection.read():
            time.sleep(0.01)
        resets = [wire.frame(wire.RESET, s, REASON) for s in range(first, client.next, 2)]
        return 1_024 if connection.send(b"".join(resets)) else 0

    return repeat(address, end, rounds, window=0), "gets"


def announce(address, end):
    folder = "/".join(["x" * 250] * 15)
    with wire.Client(address) as client:
        client.call({"op": "mkdir", "path": f"d/{folder}", "parents": True})
    count = 0

    def rounds(connection):
        # Sends nearly one window on each stream.
        nonlocal count
        client = connection.client
        streams = []
        for _ in range(16):
            streams.append(client.next)
            if not connection.send(wire.frame(
                    wire.OPEN, client.next, {"op": "put_tree", "path": "d"})):
                return 0
            client.next += 2
        for stream in streams:
            lines = bytearray()
            # A record has up to 4.2 KB, so this stays within the stream's initial credit.
            while len(lines) < client.hello.get("window", wire.WINDOW_SIZE) - 8_192:
                entry = {"entry": {"path": f"{folder}/{count}", "kind": "file", "size": 1 << 20,
                                   "mode": 420, "mtime_ns": 0}}
                lines += json.dumps(entry).encode() + b"\n"
                count += 1
            for start in range(0, len(lines), 65_536):
                piece = bytes(lines[start:start + 65_536])
                if not connection.send(wire.frame(wire.DATA, stream, piece, channel=wire.INDEX)):
                    return 0
            if time.monotonic() > end:
                break
        return 1 if connection.send(
            b"".join(wire.frame(wire.RESET, stream, REASON) for stream in streams)) else 0

    repeat(address, end, rounds)
    return count, "announced files"


def ping(address, end):
    frames = wire.frame(wire.PING, 0, b"12345678") * 500

    def rounds(connection):
        return 500 if connection.send(frames) else 0

    return repeat(address, end, rounds), "PINGs"


def malformed(address, end):
    chance, count = random.Random(5), 0
    for _ in until(end):
        send_and_leave(address, peers.malformed(chance))
        count += 1
    return count, "connections"


KINDS = {kind.__name__: kind for kind in (
    junk, halfopen, handshakes, tokens, reset, gets, announce, ping, malformed)}


def main():
    kind, address, seconds = sys.argv[1:]
    print("begins", flush=True)
    end = time.monotonic() + float(seconds)
    count, what = KINDS[kind](int(address) if address.isdigit() else address, end)
    print(count, what.replace(" ", "-"))


if __name__ == "__main__":
    main()
