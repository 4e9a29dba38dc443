"""The dialect `reply`: any message is answered with one fixed text.

reply.py client tcp|udp PORT TEXT...   sends each text, prints one recv(1024) for each
reply.py server tcp|udp REPLY          prints its port, and answers every message with REPLY
"""
import socket
import sys

kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[sys.argv[2]]
s = socket.socket(socket.AF_INET, kind)
s.settimeout(600)
if sys.argv[1] == "client":
    s.connect(("127.0.0.1", int(sys.argv[3])))
    for text in sys.argv[4:]:
        s.send(text.encode("utf-8"))
        print(s.recv(1024).decode("utf-8"), flush=True)
else:
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1], flush=True)
    reply = sys.argv[3].encode("utf-8")
    if sys.argv[2] == "tcp":
        s.listen(5)
        while True:
            conn, _ = s.accept()
            while conn.recv(1024):
                conn.send(reply)
            conn.close()
    else:
        while True:
            _, client = s.recvfrom(1024)
            s.sendto(reply, client)
