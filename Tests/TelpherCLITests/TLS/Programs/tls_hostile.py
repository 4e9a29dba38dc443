"""Sends a HELLO of a wrong length over TLS, and a request.

    python3 tls_hostile.py PORT LENGTH FILE [CERTIFICATE KEY]

LENGTH is what the HELLO's header announces; at most 1 MiB of it is sent. With a certificate, a right
HELLO goes before it, so that the client is known. The request makes FILE. Prints the server's GOAWAY.
"""
import json
import socket
import ssl
import struct
import sys

port, length, path, certificate = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
if certificate:
    context.load_cert_chain(*certificate)
stream = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30))


def frame(kind, number, payload, flags=0, announced=None):
    count = len(payload) if announced is None else announced
    return struct.pack("!IIBBBB", count, number, kind, flags, 0, 0) + payload


hello = json.dumps({"version": 1}).encode()
answer = b""
try:
    stream.sendall(b"TELPHER1")
    if certificate:
        stream.sendall(frame(1, 0, hello))
        answer += stream.recv(65536)
    start = b'{"version":1,"filler":"'
    stream.sendall(frame(1, 0, start + b"x" * (min(length, 1 << 20) - len(start)), announced=length))
    request = json.dumps({"op": "run", "argv": ["touch", path]}).encode()
    stream.sendall(frame(2, 1, request, 1))
except (ConnectionError, ssl.SSLError):
    pass
try:
    while piece := stream.recv(65536):
        answer += piece
except (ConnectionError, ssl.SSLError):
    pass
rest = answer[8:]
while len(rest) >= 12:
    count, _, kind = struct.unpack("!IIB", rest[:9])
    if kind == 10:
        print(rest[20:12 + count].decode())
    rest = rest[12 + count:]
