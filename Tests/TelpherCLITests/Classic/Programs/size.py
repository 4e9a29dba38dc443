"""`size`: the size as text, an acknowledgement, the bytes.

size.py client PORT ACKNOWLEDGEMENT COMMAND...  prints all answers
size.py server [ENCODING]                       prints its port, and answers a client after the other
"""
import socket
import subprocess
import sys

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.settimeout(60)
if sys.argv[1] == "client":
    s.connect(("127.0.0.1", int(sys.argv[2])))
    for command in sys.argv[4:]:
        s.send(command.encode("utf-8"))
        size = int(s.recv(1024).decode("utf-8"))
        s.send(sys.argv[3].encode("utf-8"))
        received = 0
        while received < size:
            data = s.recv(1024)
            received += len(data)
            sys.stdout.buffer.write(data)
        sys.stdout.flush()
        sys.stderr.write("%d of %d\n" % (received, size))
else:
    s.bind(("127.0.0.1", 0))
    s.listen(5)
    print(s.getsockname()[1], flush=True)
    while True:
        conn, _ = s.accept()
        while True:
            command = conn.recv(1024)
            if not command:
                break
            res = subprocess.run(command.decode("utf-8"), shell=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            data = res.stdout + res.stderr
            if len(sys.argv) > 2:
                data = data.decode("utf-8").encode(sys.argv[2])
            conn.send(str(len(data)).encode("utf-8"))
            conn.recv(1024)
            conn.sendall(data)
        conn.close()
