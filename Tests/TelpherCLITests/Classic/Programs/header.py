"""The dialect `header`: 4 bytes with the length of a dictionary, the dictionary, the bytes.

header.py client PORT COMMAND...          checks and prints all answers; lists the keys on stderr
header.py server KEY [MD5]                prints its port, and answers; KEY: the key of the size;
                                          MD5: md5 (correct), bad (wrong), none, or a text
"""
import hashlib
import json
import socket
import struct
import subprocess
import sys

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.settimeout(600)


def recv_all(count):
    data = b""
    while len(data) < count:
        piece = s.recv(min(1024, count - len(data)))
        if not piece:
            raise EOFError
        data += piece
    return data


if sys.argv[1] == "client":
    s.connect(("127.0.0.1", int(sys.argv[2])))
    for command in sys.argv[3:]:
        s.send(command.encode("utf-8"))
        header_size = struct.unpack("i", recv_all(4))[0]
        header = json.loads(recv_all(header_size).decode("utf-8"))
        assert header["data_size"] == header["total_size"], header
        assert header["filename"], header
        data = recv_all(header["total_size"])
        assert hashlib.md5(data).hexdigest() == header["md5"], header
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        sys.stderr.write("%d %s\n" % (len(data), ",".join(sorted(header))))
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
            header = {"filename": "a.txt", sys.argv[2]: len(data)}
            digest = sys.argv[3] if len(sys.argv) > 3 else "md5"
            if digest in ("md5", "bad"):
                header["md5"] = hashlib.md5(data if digest == "md5" else b"other").hexdigest()
            elif digest != "none":
                header["md5"] = digest
            head = json.dumps(header).encode("utf-8")
            conn.send(struct.pack("i", len(head)))
            conn.send(head)
            conn.sendall(data)
        conn.close()
