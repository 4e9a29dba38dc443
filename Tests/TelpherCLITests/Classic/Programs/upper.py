"""The dialect `upper`: bytes are answered with the same bytes in upper case.

upper.py client tcp|udp PORT TEXT...   prints each answer
upper.py server tcp|udp                prints its port, and answers
"""
import socket
import sys

kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[sys.argv[2]]
s = socket.socket(socket.AF_INET, kind)
s.settimeout(600)
if sys.argv[1] == "client":
    server = ("127.0.0.1", int(sys.argv[3]))
    if sys.argv[2] == "tcp":
        s.connect(server)
    for text in sys.argv[4:]:
        data = text.encode("utf-8")
        if sys.argv[2] == "tcp":
            s.sendall(data)
            answer = b""
            while len(answer) < len(data):
                answer += s.recv(1024)
        else:
            s.sendto(data, server)
            answer, _ = s.recvfrom(65535)
        print(answer.decode("utf-8"), flush=True)
else:
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1], flush=True)
    if sys.argv[2] == "tcp":
        s.listen(5)
        while True:
            conn, _ = s.accept()
            while True:
                data = conn.recv(1024)
                if not data:
                    break
                conn.send(data.upper())
            conn.close()
    else:
        while True:
            data, client = s.recvfrom(1024)
            s.sendto(data.upper(), client)
