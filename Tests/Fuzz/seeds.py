"""Writes valid conversations as seeds for the fuzzers: seeds.py FOLDER."""
import base64
import os
import struct
import sys

folder = sys.argv[1]


def frame(kind, stream=0, payload=b"", flags=0, channel=0):
    return struct.pack(">IIBBBB", len(payload), stream, kind, flags, channel, 0) + payload


def number(kind, value, stream=0, channel=0):
    return frame(kind, stream, struct.pack(">Q", value), channel=channel)


RUN = b'{"op":"run","argv":["ls","-l"],"cwd":"/","env":{"A":"1","B":null},"deadline_ms":5}'
CONNECT = b'{"op":"connect","address":"tcp:db:5432"}'
ACCEPT = b'{"op":"accept","connection":"%s"}' % (b"a" * 32)
ACCEPTED = b'{"accepted":{"connection":"aa","peer":"tcp:127.0.0.1:5"},"opened":{"address":"unix:/a"}}'
JOB = b'{"op":"run","shell":"wc","job":"%s","on_disconnect":"keep","limits":{"cpu_s":1}}' % (b"a" * 32)
HELLO = b'{"version":1,"max_frame":65536,"window":10,"connection_window":20,"max_streams":4}'
CLOSE = b'{"result":"exited","code":0,"bytes":{"1":6,"2":0},"wall_ms":1.9,"pipe_held":true}'
CONTROL = b'{"signal":15,"cancel":true,"stop_sending":1,"opened":{"attached":true,"offsets":{"1":5}}}'
RESIZE = b'{"resize":{"rows":24,"columns":80},"must":["resize"]}'
START = b"TELPHER1" + frame(1, payload=HELLO)
RESET = struct.pack(">IQ", 9, 3) + b"why"

requests = (
    frame(2, 1, RUN) + frame(3, 1, b"abc") + frame(3, 1, b"", flags=1) + frame(2, 3, JOB, flags=1)
    + number(4, 1 << 30) + number(4, 1 << 25, 1, 1) + frame(5, 1, CONTROL) + number(8, 7)
    + frame(0x40, 9, b"skip") + frame(7, 1, RESET) + frame(10, 0, struct.pack(">II", 1, 0) + b"bye")
)
answers = (
    number(4, 1 << 30) + frame(5, 1, CONTROL) + frame(3, 1, b"out", channel=1)
    + frame(3, 1, b"err", flags=1, channel=2) + frame(3, 1, b"", flags=1, channel=1)
    + frame(6, 1, CLOSE) + number(9, 7) + frame(7, 3, RESET)
    + frame(10, 0, struct.pack(">II", 1, 11) + b"bye")
)
streams = b"".join(frame(2, n, b'{"op":"info"}') + frame(3, n, b"xy") for n in range(1, 12, 2))

KEY = struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + bytes([1]) * 32
KEY_TEXT = b"ssh-ed25519 " + base64.b64encode(KEY)
SIGNATURE = (
    b"SSHSIG" + struct.pack(">II", 1, len(KEY)) + KEY + struct.pack(">I", 7) + b"telpher"
    + struct.pack(">II", 0, 6) + b"sha512"
    + struct.pack(">II", 83, 11) + b"ssh-ed25519" + struct.pack(">I", 64) + bytes([2]) * 64
)
AUTHORIZED = b'restrict,pty,from="10.0.0.0/8,!10.1.*",command="a \\"b\\"" ' + KEY_TEXT + b" me\n"
KNOWN = b"@revoked *,!a " + KEY_TEXT + b"\n[host]:22,|1|AA==|BB== " + KEY_TEXT + b"\n"
AGENT = bytes([12]) + struct.pack(">II", 1, len(KEY)) + KEY + struct.pack(">I", 2) + b"me"

NATS = (
    b'INFO {"server_name":"a","headers":true,"max_payload":1048576,"nonce":"x"}\r\nPING\r\n+OK\r\n'
    b"MSG a.b 1 2\r\nhi\r\nHMSG a 1 r 30 32\r\nNATS/1.0\r\nNats-Msg-Id: x y\r\n\r\nhi\r\n"
    b"HMSG a 2 30 30\r\nNATS/1.0 503 No Responders\r\n\r\n\r\n-ERR 'Stale Connection'\r\nPONG\r\n"
)

seeds = {
    "nats": [NATS],
    "keys": [KEY, KEY_TEXT, SIGNATURE, AUTHORIZED, KNOWN, AGENT],
    "decoder": [requests, answers, START + requests],
    "messages": [
        RUN, JOB, HELLO, CLOSE, CONTROL, RESIZE, b'{"op":"info","must":["op"]}', CONNECT, ACCEPT,
        ACCEPTED,
    ],
    "server": [requests, START + requests, streams, streams + requests],
    "client": [answers, START + answers],
}
# Targets whose input is only the bytes to read.
whole = ("messages", "keys")
for target, inputs in seeds.items():
    os.makedirs(os.path.join(folder, target), exist_ok=True)
    for index, data in enumerate(inputs):
        # The first two bytes seed the choices of the session's owner.
        for choice in range(1 if target in whole else 16):
            prefix = b"" if target in whole else bytes([choice, choice * 37 % 256])
            with open(os.path.join(folder, target, f"seed-{index}-{choice}"), "wb") as file:
                file.write(prefix + data)
