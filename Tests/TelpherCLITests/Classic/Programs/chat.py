"""The dialect `chat`: texts and replies in datagrams.

chat.py friend PORT TEXT...   sends each text, waits for its reply and prints it
chat.py operator [ENCODING]   prints its port, and replies 'you said: TEXT' to each text
"""
import socket
import sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(600)
if sys.argv[1] == "friend":
    for text in sys.argv[3:]:
        s.sendto(text.encode("utf-8"), ("127.0.0.1", int(sys.argv[2])))
        reply, _ = s.recvfrom(1024)
        print(reply.decode("utf-8"), flush=True)
else:
    encoding = sys.argv[2] if len(sys.argv) > 2 else "utf-8"
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1], flush=True)
    while True:
        text, friend = s.recvfrom(1024)
        s.sendto(("you said: " + text.decode(encoding)).encode(encoding), friend)
