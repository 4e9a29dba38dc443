"""A client of another protocol.

foreign.py PORT|PATH PIECE...   sends the pieces, 0.05 s apart, with Python escapes decoded, and prints
                                all it receives until the server closes the connection
"""
import codecs
import socket
import sys
import time

target = sys.argv[1]
unix = target.startswith("/")
s = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)
s.settimeout(600)
s.connect(target if unix else ("127.0.0.1", int(target)))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) if not unix else None
try:
    for piece in sys.argv[2:]:
        s.send(codecs.decode(piece, "unicode_escape").encode("latin-1"))
        time.sleep(0.05)
    while True:
        data = s.recv(1024)
        if not data:
            break
        sys.stdout.buffer.write(data)
except (ConnectionResetError, BrokenPipeError):
    pass
print("ended", flush=True)
