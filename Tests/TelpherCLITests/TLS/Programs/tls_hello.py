"""Sends a HELLO with signatures over TLS, and prints all that the server answers, in hexadecimal and
without the server's nonce, which is random.

    python3 tls_hello.py PORT SIGNATURE...
"""
import json
import re
import socket
import ssl
import struct
import sys

port, signatures = int(sys.argv[1]), sys.argv[2:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
stream = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30))
hello = json.dumps({"version": 1, "auth": {"signatures": signatures}}).encode()
request = json.dumps({"op": "run", "argv": ["touch", "/tmp/never"]}).encode()
stream.sendall(
    b"TELPHER1"
    + struct.pack("!IIBBBB", len(hello), 0, 1, 0, 0, 0) + hello
    + struct.pack("!IIBBBB", len(request), 1, 2, 1, 0, 0) + request)
answer = b""
try:
    while piece := stream.recv(65536):
        answer += piece
except (ConnectionError, ssl.SSLError):
    pass
print(re.sub(rb'"nonce":"[0-9a-f]{64}"', b"", answer).hex())
