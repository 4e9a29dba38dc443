"""The dialect `length`: 4 bytes (struct 'i') with the length, then the bytes.

length.py client PORT COMMAND...      prints all answers
length.py bytewise PORT COMMAND...    the same, but reads the 4 bytes one at a time
length.py server [ENCODING]           prints its port, and answers one client after the other
length.py short                       a server that announces 100 bytes, sends 10 and disconnects
length.py negative                    a server that announces -1 bytes
"""
import socket
import struct
import subprocess
import sys

mode = sys.argv[1]
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.settimeout(600)
if mode in ("client", "bytewise"):
    s.connect(("127.0.0.1", int(sys.argv[2])))
    for command in sys.argv[3:]:
        s.send(command.encode("utf-8"))
        if mode == "client":
            head = s.recv(4)
        else:
            head = b"".join(s.recv(1) for _ in range(4))
        total = struct.unpack("i", head)[0]
        received = 0
        while received < total:
            data = s.recv(min(1024, total - received))
            received += len(data)
            sys.stdout.buffer.write(data)
        sys.stdout.flush()
        sys.stderr.write("%d\n" % total)
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
            if mode == "short":
                conn.sendall(struct.pack("i", 100) + b"0123456789")
                break
            if mode == "negative":
                conn.sendall(struct.pack("i", -1))
                break
            res = subprocess.Popen(command.decode("utf-8"), shell=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            out, err = res.communicate()
            data = out + err
            if len(sys.argv) > 2:
                data = data.decode("utf-8").encode(sys.argv[2])
            conn.send(struct.pack("i", len(data)))
            conn.sendall(data)
        conn.close()
