#!/usr/bin/env python3
"""A complete client for commands, after PROTOCOL.md. It needs only Python's standard library.

    from client import Connection
    with Connection("/run/user/1000/telpher.sock") as connection:
        result = connection.run(["ls", "-la"])  # several threads may call run at the same time
        print(result.status, result.output)

Or from the command line: python3 client.py [--token-file FILE] ADDRESS COMMAND [ARG...]
"""

import argparse
import hmac
import io
import json
import os
import socket
import struct
import sys
import threading

HELLO, OPEN, DATA, WINDOW, CONTROL, CLOSE, RESET, PING, PONG, GOAWAY, AUTH = range(1, 12)
NO_INPUT = FIN = 1
CODES = (
    "NO_ERROR", "PROTOCOL", "INTERNAL", "FLOW_CONTROL", "FRAME_TOO_LARGE", "UNKNOWN_CRITICAL",
    "NOT_AUTHENTICATED", "LIMIT", "STREAM_STATE", "CANCELED", "TIMEOUT", "SHUTTING_DOWN",
    "LOST", "SOCKET_BROKEN")
STREAM_WINDOW, CONNECTION_WINDOW = 1 << 20, 16 << 20  # the defaults of a HELLO
INVALID = (ValueError, LookupError, TypeError, AttributeError, struct.error)  # from bad messages


class TurnedAway(Exception):
    """The server does not accept this client or this command. The command was not run."""


class Lost(Exception):
    """No valid result arrived. It is unknown how the command ended."""


class Result:
    """How a command ended, and its output. `close` is the server's CLOSE message."""

    def __init__(self, close, output, error):
        self.close, self.output, self.error = close, output, error

    @property
    def status(self):
        """The exit status as a shell reports it; 124 at the deadline; 125 if there is none."""
        kind = self.close["result"]
        if kind == "exited":
            return self.close["code"]
        if kind == "signaled":
            return 128 + self.close["signal"]
        if kind == "not_started":
            return {2: 127, 13: 126}.get(self.close.get("errno"), 125)  # ENOENT, EACCES
        return 124 if kind == "timed_out" else 125


class Window:
    """How many bytes the server may send: on one channel, or on the whole connection."""

    def __init__(self, size):
        self.size, self.taken, self.granted = size, 0, size

    def take(self, count):
        """Counts bytes as taken. Returns whether it is time to send the new limit."""
        self.taken += count
        if self.granted - self.taken > self.size // 2:
            return False
        self.granted = self.taken + self.size
        return True


class Stream:
    """A running command."""

    def __init__(self, limit):
        self.arrived = []  # output that was not taken yet: (channel, bytes)
        self.windows = {1: Window(STREAM_WINDOW), 2: Window(STREAM_WINDOW)}
        self.limit, self.sent, self.input_ended = limit, 0, False
        self.close = self.error = None  # one of them at the end


class Connection:
    """A connection to a server. `address` is the path of a Unix socket (with a slash) or HOST:PORT.

    Raises OSError if no server is there, and TurnedAway if it does not accept this client.
    """

    def __init__(self, address, token_file="~/.config/telpher/token", timeout=15):
        self.writing = threading.RLock()  # held while a frame is sent
        self.changed = threading.Condition()  # guards what follows; notified when it changes
        self.streams, self.next = {}, 1
        self.end = None  # the reason why the connection takes no more commands
        self.sent = 0
        self.window = Window(CONNECTION_WINDOW)
        hello = {
            "version": 1, "window": STREAM_WINDOW, "connection_window": CONNECTION_WINDOW}
        token = None
        if "/" in address:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address)
            peer = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            _, owner, _ = struct.unpack("3i", peer)
            if owner not in (0, os.geteuid()):
                raise TurnedAway(f"the server belongs to user {owner}")
        else:
            host, colon, port = address.rpartition(":")
            if not colon:
                raise ValueError(f"'{address}' is neither a path with a slash nor HOST:PORT")
            with open(os.path.expanduser(token_file)) as file:
                token = bytes.fromhex(file.read())
            hello["auth"] = {"nonce": os.urandom(32).hex()}
            self.socket = socket.create_connection((host, port), timeout)
        self.socket.settimeout(timeout)  # only while the connection is opened
        self.source = self.socket.makefile("rb")
        try:
            self._open(json.dumps(hello).encode(), token)
        except (OSError, Lost, *INVALID) as error:
            raise TurnedAway(f"the server sent no valid HELLO: {error}") from error
        self.socket.settimeout(None)
        threading.Thread(target=self._receive_all, daemon=True).start()

    def run(self, command, input=None, on_output=None, **keys):
        """Runs a command (a list of strings) and returns its Result.

        `input` is bytes or an unbuffered file. `on_output(channel, bytes)` gets the output as it
        arrives; without it, Result contains the output. `keys` are further keys of the request,
        such as cwd="/tmp". Raises TurnedAway or Lost.
        """
        collected = {1: bytearray(), 2: bytearray()}
        on_output = on_output or (lambda channel, data: collected[channel].extend(data))
        request = json.dumps({"op": "run", "argv": command, **keys}).encode()
        with self.writing:  # streams are opened in the order of their numbers
            with self.changed:
                if self.end:
                    raise self.end
                number, stream = self.next, Stream(self.first_limit)
                self.next, self.streams[number] = number + 2, stream
            self._send(OPEN, number, request, flags=NO_INPUT if input is None else 0)
        if input is not None:
            source = io.BytesIO(input) if isinstance(input, bytes) else input
            threading.Thread(
                target=self._feed, args=(number, stream, source), daemon=True).start()
        try:
            while arrived := self._wait_for_output(stream):
                for channel, data in arrived:
                    on_output(channel, data)
                    self._grant(number, channel, stream.windows[channel], len(data))
            if stream.error:
                raise stream.error
            return Result(_checked(stream), bytes(collected[1]), bytes(collected[2]))
        finally:
            with self.changed:
                del self.streams[number]
                stream.input_ended = True
                self.changed.notify_all()
            if not stream.close and not stream.error:  # on_output failed: end the command
                canceled = struct.pack(">IQ", CODES.index("CANCELED"), stream.sent)
                self._send(RESET, number, canceled)

    def close(self):
        """Ends the connection; the server ends the commands that still run on it."""
        self.socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Opening

    def _open(self, mine, token):
        self.socket.sendall(b"TELPHER1")
        self._send(HELLO, 0, mine)
        first = self.source.read(8)
        if not first:
            raise TurnedAway("the server closed the connection; it may be busy")
        if first != b"TELPHER1":
            raise TurnedAway("this is not a Telpher server")
        theirs = self._receive(HELLO)
        if token:  # the server proves first that it knows the token; until then nothing is sent
            proof = self._receive(AUTH)
            if not hmac.compare_digest(proof, self._proof("server", token, mine, theirs)):
                raise TurnedAway("the server has another token")
            self._send(AUTH, 0, self._proof("client", token, mine, theirs))
        hello = json.loads(theirs)
        self.limit = hello.get("connection_window", CONNECTION_WINDOW)
        self.first_limit = hello.get("window", STREAM_WINDOW)

    def _proof(self, label, token, *hellos):
        host, port = self.socket.getpeername()[:2]
        text = f"telpher {label} v1\n{host}:{port}\n".encode()
        for hello in hellos:
            text += struct.pack(">I", len(hello)) + hello
        return hmac.digest(token, text, "sha256")

    def _receive(self, expected):
        kind, _, _, payload = self._receive_frame()
        if kind == GOAWAY:
            raise TurnedAway(_reason(payload[4:]))
        if kind != expected:
            raise Lost(f"frame {kind} came instead of frame {expected}")
        return payload

    # Sending

    def _send(self, kind, number, payload=b"", flags=0, channel=0):
        header = struct.pack(">IIBBBx", len(payload), number, kind, flags, channel)
        with self.writing:
            try:
                self.socket.sendall(header + payload)
            except OSError:
                pass  # the receiving thread reports it, after everything that the server sent

    def _feed(self, number, stream, source):
        """Sends a command's input. Runs on a thread of its own, since it waits for credit."""
        def credit():
            return min(stream.limit - stream.sent, self.limit - self.sent)
        while rest := source.read(65536):
            while rest:
                with self.changed:
                    self.changed.wait_for(lambda: stream.input_ended or credit() > 0)
                    if stream.input_ended:
                        return
                    piece = rest[:credit()]
                    stream.sent += len(piece)
                    self.sent += len(piece)
                self._send(DATA, number, piece)
                rest = rest[len(piece):]
        self._send(DATA, number, flags=FIN)

    def _grant(self, number, channel, window, count):
        with self.writing:  # so that a smaller limit is never sent after a larger one
            if window.take(count):
                self._send(WINDOW, number, struct.pack(">Q", window.granted), channel=channel)

    # Receiving

    def _wait_for_output(self, stream):
        """Returns what has arrived; at the end an empty list."""
        with self.changed:
            self.changed.wait_for(lambda: stream.arrived or stream.close or stream.error)
            arrived, stream.arrived = stream.arrived, []
            return arrived

    def _receive_frame(self):
        header = self.source.read(12)
        if len(header) < 12:
            raise Lost("the server closed the connection")
        length, number, kind, _, channel = struct.unpack(">IIBBBx", header)
        payload = self.source.read(length)
        if len(payload) < length:
            raise Lost("the server closed the connection")
        return kind, number, channel, payload

    def _receive_all(self):
        """Runs on a thread of its own, and never waits for a command's reader."""
        try:
            while True:
                kind, number, channel, payload = self._receive_frame()
                with self.changed:
                    stream = self.streams.get(number)
                    self._take(kind, number, stream, channel, payload)
                    self.changed.notify_all()
                if kind == PING:
                    self._send(PONG, 0, payload)
                if kind == DATA:  # at once: a slow reader uses up only its own stream's window
                    self._grant(0, 0, self.window, len(payload))
        except (OSError, Lost, *INVALID) as error:
            with self.changed:
                self.end = self.end or Lost(f"the connection is lost: {_shown(error)}")
                for stream in self.streams.values():
                    if not stream.close and not stream.error:
                        stream.error = Lost(str(self.end))
                self.changed.notify_all()

    def _take(self, kind, number, stream, channel, payload):
        if kind == GOAWAY:
            last, = struct.unpack(">I", payload[:4])
            if last == 0xFFFFFFFF:  # the server asks to leave, but takes everything until then
                return
            self.end = TurnedAway(_reason(payload[4:]))
            for each in self.streams:
                if each > last:
                    self.streams[each].error = self.end
        elif kind == WINDOW and number == 0:
            self.limit, = struct.unpack(">Q", payload)
        elif stream:
            if kind == DATA and payload:
                stream.arrived.append((channel, payload))
            elif kind == WINDOW and channel == 0:
                stream.limit, = struct.unpack(">Q", payload)
            elif kind == CONTROL and json.loads(payload).get("stop_sending") == 0:
                stream.input_ended = True
            elif kind == CLOSE:
                stream.close = json.loads(payload)
            elif kind == RESET:
                stream.error = Lost(_reason(payload[:4] + payload[12:]))


def _checked(stream):
    """Returns the CLOSE message if it is valid: an invalid one must not look like a success."""
    try:
        close = stream.close
        kind = close["result"]
        if kind == "refused":
            raise TurnedAway(f"the server refused the command: {_shown(close.get('message', ''))}")
        if kind in ("exited", "signaled"):
            key, least, most = ("code", 0, 255) if kind == "exited" else ("signal", 1, 126)
            if not least <= close[key] <= most:
                raise ValueError(close[key])
            for channel in (1, 2):
                if close["bytes"][str(channel)] != stream.windows[channel].taken:
                    raise Lost("a part of the output is missing")
        elif kind not in ("timed_out", "canceled", "not_started"):
            raise ValueError(kind)
        return close
    except INVALID as error:
        raise Lost(f"the result is invalid: {_shown(repr(error))}") from error


def _reason(payload):
    """The name of a code, and the sentence that follows it."""
    code, = struct.unpack(">I", payload[:4])
    name = CODES[code] if code < len(CODES) else "INTERNAL"
    return f"{name}: {_shown(payload[4:].decode(errors='replace'))}"


def _shown(text):
    """Text from a server without its control characters."""
    return str(text).encode("unicode_escape").decode()


def main():
    options = argparse.ArgumentParser(description="Runs a command on a Telpher server.")
    options.add_argument("--token-file", default="~/.config/telpher/token", help="for HOST:PORT")
    options.add_argument("address", help="the path of a Unix socket (with a slash), or HOST:PORT")
    options.add_argument("command", nargs=argparse.REMAINDER)
    args = options.parse_args()

    def show(channel, data):
        while data:
            data = data[os.write(channel, data):]

    source = None if os.isatty(0) else open(0, "rb", buffering=0, closefd=False)
    message = None
    try:
        connection = Connection(args.address, args.token_file)
        result = connection.run(args.command, source, show)
        kind, status = result.close["result"], result.status
        if kind not in ("exited", "signaled"):
            message = f"{kind}: {_shown(result.close.get('message', ''))}"
    except TurnedAway as error:
        message, status = f"turned away: {error}", 125
    except (Lost, OSError, ValueError) as error:
        message, status = f"{error}", 125
    if message:
        print(f"client: {message}", file=sys.stderr, flush=True)
    os._exit(status)  # at once, though a thread may still wait for input


if __name__ == "__main__":
    main()
