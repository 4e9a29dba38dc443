"""The dialect `raw`: commands and their output, without any framing.

raw.py client PORT BYTES COMMAND...  for each command, reads BYTES bytes and prints them
raw.py naive PORT COMMAND...         for each command, one recv(1024), printed with a line of dashes
raw.py glued PORT BYTES TEXT...      sends each TEXT, 0.2 s apart, then reads BYTES bytes
raw.py server [HOW]                  prints its port, and answers one client after the other.
                                     HOW: both (two sends, error first; the default), joined (one send
                                     of both), either (error or else output, or a text if both are
                                     empty), keeps-open (keeps the connection open after its client's
                                     end)
raw.py udp-client PORT COMMAND...    prints 'err ' and 'out ' with the two datagrams of each answer
raw.py udp-server                    prints its port, and answers
"""
import socket
import subprocess
import sys
import time


def run(command):
    """Standard error and standard output, read one after the other."""
    res = subprocess.Popen(command.decode("utf-8"), shell=True, stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    err = res.stderr.read()
    out = res.stdout.read()
    return out, err


mode = sys.argv[1]
kind = socket.SOCK_DGRAM if mode.startswith("udp") else socket.SOCK_STREAM
s = socket.socket(socket.AF_INET, kind)
s.settimeout(600)
if mode in ("client", "naive", "glued"):
    s.connect(("127.0.0.1", int(sys.argv[2])))


def read(count):
    data = b""
    while len(data) < count:
        piece = s.recv(1024)
        if not piece:
            break
        data += piece
    return data


if mode == "client":
    for command in sys.argv[4:]:
        s.send(command.encode("utf-8"))
        sys.stdout.buffer.write(read(int(sys.argv[3])))
        sys.stdout.flush()
elif mode == "naive":
    for command in sys.argv[3:]:
        s.send(command.encode("utf-8"))
        sys.stdout.buffer.write(s.recv(1024) + b"\n----\n")
        sys.stdout.flush()
elif mode == "glued":
    for text in sys.argv[4:]:
        s.send(text.encode("utf-8"))
        time.sleep(0.2)
    sys.stdout.buffer.write(read(int(sys.argv[3])))
elif mode == "server":
    s.bind(("127.0.0.1", 0))
    s.listen(5)
    print(s.getsockname()[1], flush=True)
    how = sys.argv[2] if len(sys.argv) > 2 else "both"
    while True:
        conn, _ = s.accept()
        while True:
            command = conn.recv(1024)
            if not command:
                if how == "keeps-open":
                    time.sleep(600)
                break
            out, err = run(command)
            if how == "joined":
                conn.send(err + out)
            elif how == "either":
                conn.send(err or out or "执行成功".encode("utf-8"))
            else:
                conn.send(err)
                conn.send(out)
        conn.close()
elif mode == "udp-client":
    for command in sys.argv[3:]:
        s.sendto(command.encode("utf-8"), ("127.0.0.1", int(sys.argv[2])))
        err, _ = s.recvfrom(65535)
        out, _ = s.recvfrom(65535)
        sys.stdout.buffer.write(b"err " + err + b"\nout " + out + b"\n")
elif mode == "udp-server":
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1], flush=True)
    while True:
        command, client = s.recvfrom(1024)
        out, err = run(command)
        s.sendto(err, client)
        s.sendto(out, client)
