"""Many clients at once.

many.py DIALECT PORT CLIENTS NUMBER...   DIALECT: raw, size, sleeper (size without acknowledgement),
                                         length or header. Each client asks 'echo CLIENT NUMBER' for
                                         each number; prints how many answers were wrong.
"""
import json
import socket
import struct
import sys
import threading

dialect, port, count, numbers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
right = []


def recv_all(c, size):
    data = b""
    while len(data) < size:
        piece = c.recv(min(1024, size - len(data)))
        if not piece:
            raise EOFError
        data += piece
    return data


def ask(c, command):
    c.send(command.encode("utf-8"))
    if dialect == "raw":
        return c.recv(1024)
    if dialect in ("size", "sleeper"):
        size = int(c.recv(1024).decode("utf-8"))
        if dialect == "size":
            c.send("recv_ready".encode("utf-8"))
        return recv_all(c, size)
    size = struct.unpack("i", recv_all(c, 4))[0]
    if dialect == "header":
        size = json.loads(recv_all(c, size).decode("utf-8"))["total_size"]
    return recv_all(c, size)


def talk(client):
    c = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    c.settimeout(600)
    c.connect(("127.0.0.1", port))
    for number in numbers:
        text = "%d %s" % (client, number)
        if ask(c, "echo " + text).decode("utf-8") == text + "\n":
            right.append(text)
    c.close()


clients = [threading.Thread(target=talk, args=(number,)) for number in range(count)]
for client in clients:
    client.start()
for client in clients:
    client.join()
asked = count * len(numbers)
print("%d wrong of %d" % (asked - len(right), asked))
