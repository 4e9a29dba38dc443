"""A client of the protocol (docs/PROTOCOL.md) that can also violate it, and functions that build
frames."""

import json
import socket
import struct

from harness import HANG, Broken

PREFACE = b"TELPHER1"
HELLO, OPEN, DATA, WINDOW, CONTROL, CLOSE, RESET, PING, PONG, GOAWAY, AUTH = range(1, 12)
FIN = NO_INPUT = 1
FILE, INDEX = 4, 5
WINDOW_SIZE = 1 << 20
CONNECTION_WINDOW = 16 << 20


def frame(kind, stream, payload=b"", flags=0, channel=0):
    if isinstance(payload, dict):
        payload = json.dumps(payload).encode()
    return struct.pack(">IIBBBx", len(payload), stream, kind, flags, channel) + payload


def hello(**keys):
    return frame(HELLO, 0, {"version": 1, **keys})


def connect(address):
    """A socket to a path, or to a port of 127.0.0.1, or the one that a function makes."""
    if callable(address):
        return address()
    if isinstance(address, int):
        return socket.create_connection(("127.0.0.1", address), HANG)
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(HANG)
    made.connect(address)
    return made


class Ended(Broken):
    """The connection ended."""


class Client:
    """One connection. It answers PING, and never sends WINDOW."""

    def __init__(self, address, window=WINDOW_SIZE, connection_window=CONNECTION_WINDOW,
                 greet=True, timeout=HANG):
        self.socket = connect(address)
        self.socket.settimeout(timeout)
        self.source = self.socket.makefile("rb", buffering=1 << 16)
        self.next = 1
        self.hello = None
        self.is_greeted = False
        if greet:
            self.socket.sendall(
                PREFACE + hello(window=window, connection_window=connection_window))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.source.close()
        finally:
            self.socket.close()

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def open(self, request, no_input=True):
        """Opens a stream and returns its number."""
        stream = self.next
        self.next += 2
        self.send(frame(OPEN, stream, request, flags=NO_INPUT if no_input else 0))
        return stream

    def receive(self):
        """The next frame: kind, stream, channel, payload."""
        if not self.is_greeted:
            if self.source.read(len(PREFACE)) != PREFACE:
                raise Ended("the connection ended before the server's HELLO")
            self.is_greeted = True
        header = self.source.read(12)
        if len(header) < 12:
            raise Ended("the connection ended")
        length, stream, kind, flags, channel = struct.unpack(">IIBBBx", header)
        payload = self.source.read(length)
        if kind == HELLO:
            self.hello = json.loads(payload)
        if kind == PING:
            self.send(frame(PONG, 0, payload))
        return kind, stream, channel, payload

    def result(self, stream):
        """Waits for the result of a stream; returns it with the bytes received on each channel."""
        outputs = {}
        while True:
            kind, number, channel, payload = self.receive()
            if kind == GOAWAY and struct.unpack(">II", payload[:8])[1] not in (0, 11):
                raise Ended(f"GOAWAY: {payload[8:].decode(errors='replace')}")
            if number != stream:
                continue
            if kind == DATA:
                outputs[channel] = outputs.get(channel, b"") + payload
            if kind == RESET:
                return {"result": "reset", "message": payload[12:].decode()}, outputs
            if kind == CLOSE:
                return json.loads(payload), outputs

    def call(self, request):
        """Opens a stream and waits for its result."""
        return self.result(self.open(request))

    def await_hello(self):
        while self.hello is None:
            self.receive()
        return self.hello


def run_request(*argv, **keys):
    return {"op": "run", "argv": list(argv), **keys}


def run_true(path):
    """Runs one command on a new connection."""
    with Client(path) as client:
        result, _ = client.call(run_request("true"))
        if result.get("result") != "exited" or result.get("code") != 0:
            raise Broken(f"a concurrent command ended with {result}")
