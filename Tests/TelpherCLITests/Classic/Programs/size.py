"""The dialect `size`: the size as text, an acknowledgement or a sleep, the bytes.

size.py client PORT ACKNOWLEDGEMENT COMMAND...  acknowledges each size; prints all answers
size.py sleeper PORT COMMAND...                 never acknowledges; prints all answers
size.py late PORT ACKNOWLEDGEMENT COMMAND...    acknowledges each size after it has received the answer
size.py server [ENCODING]                       prints its port, waits for acknowledgements
size.py sleeping SECONDS                        prints its port, sleeps between size and answer, and
                                                prints each message that it runs as a command
"""
import socket
import subprocess
import sys
import time

mode = sys.argv[1]
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.settimeout(600)


def answer_to(command):
    res = subprocess.Popen(command.decode("utf-8"), shell=True, stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = res.communicate()
    return out + err


if mode in ("client", "sleeper", "late"):
    s.connect(("127.0.0.1", int(sys.argv[2])))
    for command in sys.argv[3 if mode == "sleeper" else 4:]:
        s.send(command.encode("utf-8"))
        size = int(s.recv(1024).decode("utf-8"))
        if mode == "client":
            s.send(sys.argv[3].encode("utf-8"))
        received = 0
        while received < size:
            data = s.recv(1024)
            received += len(data)
            sys.stdout.buffer.write(data)
        if mode == "late":
            s.send(sys.argv[3].encode("utf-8"))
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
            if mode == "sleeping":
                print("ran", command.decode("utf-8"), flush=True)
            data = answer_to(command)
            if mode == "server" and len(sys.argv) > 2:
                data = data.decode("utf-8").encode(sys.argv[2])
            conn.send(str(len(data)).encode("utf-8"))
            if mode == "sleeping":
                time.sleep(float(sys.argv[2]))
            else:
                conn.recv(1024)
            conn.sendall(data)
        conn.close()
