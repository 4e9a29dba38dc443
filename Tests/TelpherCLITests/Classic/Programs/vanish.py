"""A client that goes in some way while its command runs.

vanish.py HOW PORT COMMAND     HOW: close, reset, silent (says nothing, and stays until killed),
                               stay (sends, and stays without reading), half (sends, ends its side,
                               reads to the end and prints it)
"""
import socket
import struct
import sys
import time

how = sys.argv[1]
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.settimeout(60)
s.connect(("127.0.0.1", int(sys.argv[2])))
if how != "silent":
    s.send(sys.argv[3].encode("utf-8"))
print("connected", flush=True)
if how == "half":
    s.shutdown(socket.SHUT_WR)
    while True:
        data = s.recv(1024)
        if not data:
            break
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
elif how in ("silent", "stay"):
    time.sleep(600)
else:
    sys.stdin.readline()
    if how == "reset":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
