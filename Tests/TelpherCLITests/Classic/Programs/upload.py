"""The dialect `upload`: for each file, 4 bytes with the length of a dictionary, the dictionary, and
the file's bytes.

upload.py client PORT KEYS FILE...   sends the files; KEYS: size (size, filename), file (file_size,
                                     file_name, and the md5)
upload.py as PORT NAME MD5 TEXT      sends TEXT as a file called NAME with that md5
upload.py part PORT NAME SIZE TEXT   announces SIZE bytes, sends TEXT, prints 'sent' and waits
upload.py server FOLDER KEYS         prints its port, and stores the files
upload.py greedy FOLDER KEYS         the same, but each recv of a file's bytes takes up to 1024, and so
                                     may read past the file's end
"""
import hashlib
import json
import os
import socket
import struct
import sys
import time

mode = sys.argv[1]
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.settimeout(600)


def send_head(head):
    data = json.dumps(head).encode("utf-8")
    s.send(struct.pack("i", len(data)))
    s.send(data)


if mode in ("server", "greedy"):
    size_key, name_key = {"size": ("size", "filename"), "file": ("file_size", "file_name")}[sys.argv[3]]
    s.bind(("127.0.0.1", 0))
    s.listen(5)
    print(s.getsockname()[1], flush=True)
    while True:
        conn, _ = s.accept()
        while True:
            head = conn.recv(4)
            if not head:
                break
            length = struct.unpack("i", head)[0]
            header = json.loads(conn.recv(length).decode("utf-8"))
            digest = hashlib.md5()
            received = 0
            with open(os.path.join(sys.argv[2], header[name_key]), "wb") as f:
                while received < header[size_key]:
                    left = header[size_key] - received
                    data = conn.recv(1024 if mode == "greedy" else min(1024, left))
                    received += len(data)
                    digest.update(data)
                    f.write(data)
            assert digest.hexdigest() == header["md5"]
            print("stored", header[name_key], flush=True)
        conn.close()
else:
    s.connect(("127.0.0.1", int(sys.argv[2])))
    if mode == "client":
        for path in sys.argv[4:]:
            size = os.path.getsize(path)
            if sys.argv[3] == "size":
                send_head({"size": size, "filename": path})
            else:
                with open(path, "rb") as f:
                    digest = hashlib.md5(f.read()).hexdigest()
                send_head({"file_size": size, "file_name": os.path.basename(path), "md5": digest})
            with open(path, "rb") as f:
                for line in f:
                    s.send(line)
        s.close()
    elif mode == "as":
        data = sys.argv[5].encode("utf-8")
        send_head({"size": len(data), "filename": sys.argv[3], "md5": sys.argv[4]})
        s.send(data)
        s.shutdown(socket.SHUT_WR)
        while True:
            data = s.recv(1024)
            if not data:
                break
            sys.stdout.buffer.write(data)
    elif mode == "part":
        send_head({"file_size": int(sys.argv[4]), "file_name": sys.argv[3]})
        s.send(sys.argv[5].encode("utf-8"))
        print("sent", flush=True)
        time.sleep(600)
