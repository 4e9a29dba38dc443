"""Something in between: accepts TLS with a key of its own, and passes all bytes on to a server.

    python3 tls_relay.py PORT CERTIFICATE KEY

Prints its port. It ends when its standard input does.
"""
import os
import socket
import ssl
import sys
import threading

port, certificate, key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
inner = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
inner.load_cert_chain(certificate, key)
outer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
outer.check_hostname = False
outer.verify_mode = ssl.CERT_NONE


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        for one in (source, target):
            try:
                one.close()
            except OSError:
                pass


def relay(client):
    try:
        client = inner.wrap_socket(client, server_side=True)
        server = outer.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    except OSError:
        return
    threading.Thread(target=pump, args=(client, server), daemon=True).start()
    pump(server, client)


def accept(listener):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=relay, args=(client,), daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
threading.Thread(target=accept, args=(listener,), daemon=True).start()
sys.stdin.read()
os._exit(0)
