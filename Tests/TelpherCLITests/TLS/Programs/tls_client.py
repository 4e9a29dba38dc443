"""Runs a command over TLS with Python's own ssl module, and a certificate as the proof.

    python3 tls_client.py PORT CERTIFICATE KEY COMMAND [ARG...]

Prints the protocol's version, then the output. The exit status is the command's.
"""
import json
import socket
import ssl
import struct
import sys

port, certificate, key, command = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE  # a program of its own would compare the key
context.load_cert_chain(certificate, key)
stream = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30))
print(stream.version(), flush=True)


def frame(kind, number, payload, flags=0):
    return struct.pack("!IIBBBB", len(payload), number, kind, flags, 0, 0) + payload


hello = json.dumps({"version": 1}).encode()
request = json.dumps({"op": "run", "argv": command}).encode()
stream.sendall(b"TELPHER1" + frame(1, 0, hello) + frame(2, 1, request, 1))
source = stream.makefile("rb")
assert source.read(8) == b"TELPHER1"
while True:
    header = source.read(12)
    if len(header) < 12:
        sys.exit("the server has ended the connection")
    length, number, kind, flags, channel, _ = struct.unpack("!IIBBBB", header)
    payload = source.read(length)
    if kind == 3 and channel == 1:
        sys.stdout.buffer.write(payload)
    elif kind == 6:
        sys.stdout.flush()
        stream.unwrap()  # close_notify in both directions
        sys.exit(json.loads(payload)["code"])
    elif kind == 10:
        sys.exit(payload[8:].decode())
