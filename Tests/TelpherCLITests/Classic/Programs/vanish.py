"""A client that disconnects, or stops reading or writing, while its command runs.

vanish.py HOW PORT COMMAND     HOW: close and reset (sends, then disconnects after a line on standard
                               input), silent (sends nothing and stays connected), stay (sends, and
                               stays connected without reading), half (sends, ends its sending side,
                               then prints all it reads)
"""
import socket
import struct
import sys
import time

how = sys.argv[1]
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.settimeout(600)
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
