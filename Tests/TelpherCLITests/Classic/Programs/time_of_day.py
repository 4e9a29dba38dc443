"""The dialect `time`: a strftime format in a datagram, the time in a datagram.

time_of_day.py client PORT FORMAT...   prints each answer
time_of_day.py server                  prints its port, and answers
"""
import socket
import sys
import time

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(600)
if sys.argv[1] == "client":
    for form in sys.argv[3:]:
        s.sendto(form.encode("utf-8"), ("127.0.0.1", int(sys.argv[2])))
        print(s.recvfrom(1024)[0].decode("utf-8"), flush=True)
else:
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1], flush=True)
    while True:
        form, client = s.recvfrom(1024)
        form = form.decode("utf-8") or "%Y-%m-%d %X"
        s.sendto(time.strftime(form).encode("utf-8"), client)
