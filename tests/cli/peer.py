#!/usr/bin/python3
"""tests/cli/peer.py - both ends of the traffic that tests/cli/run sends through plait.

peer.py serve ADDRESS          TCP on port 8000, Multipath TCP on port 8001, UDP on port 5353
peer.py get ADDRESS PORT N     reads N bytes and checks every one; prints N
peer.py swap ADDRESS PORT N    sends and reads N bytes at once; both ends check every one; prints N
peer.py put ADDRESS PORT N     writes N bytes and is gone at once, without waiting for anything
peer.py many ADDRESS PORT N    N connections, 50 at a time, with 5,000 bytes each
peer.py who ADDRESS PORT       prints the address that the server sees
peer.py proxied ADDRESS PORT   prints the PROXY line that the server got, and its own address
peer.py ends ADDRESS PORT      all ways in which a connection can end; prints those that look right
peer.py udp ADDRESS [PORT [S]] the same over UDP, waiting for S seconds
peer.py udploop ADDRESS END    again and again, prints what is new, until END
peer.py ping ADDRESS           one ICMP echo (IPv4 or IPv6); prints "pong"
peer.py past ADDRESS PORT      tries to connect past Plait, by the other interface
With $PEER_MPTCP set, clients use the kernel's Multipath TCP.
Servers: "get N" sends N bytes of a pattern, "who" the client's address, "put" takes bytes until the
end of the stream and appends their number, or what went wrong, to the file named `received` in the
working directory, "half" the same but answers with the number, "early" answers and closes without
reading on, "reset" resets, "swap N" does as the client does, and a line of the PROXY protocol may
come before all that.
"""

import os
import select
import socket
import struct
import sys
import threading
import time

IPPROTO_MPTCP = 262
PATTERN = bytes((i * 31 + i // 251) & 0xFF for i in range(1 << 16))


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve_put(conn):
    count = 0
    try:
        while data := conn.recv(1 << 16):
            count += len(data)
        result = str(count)
    except OSError as error:
        result = f"{count} {error.strerror}"
    with open("received", "a", encoding="ascii") as file:
        file.write(result + "\n")


def read_line(conn):
    line = b""
    while not line.endswith(b"\n"):
        data = conn.recv(1)
        if not data:
            break
        line += data
    return line


def swap_with(conn, count):
    """True when as many bytes came as were sent, and the right ones, and then the end."""

    def send():
        left = count
        while left > 0:
            conn.sendall(PATTERN[: min(left, len(PATTERN))])
            left -= min(left, len(PATTERN))
        conn.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    at = 0
    right = True
    while data := conn.recv(1 << 16):
        start = at % len(PATTERN)
        right = right and data == (PATTERN + PATTERN)[start : start + len(data)]
        at += len(data)
    sender.join()
    return right and at == count


def serve_one(conn, client):
    with conn:
        line = proxied = read_line(conn)
        if line.startswith(b"PROXY "):
            line = read_line(conn)
        words = line.split()
        if not words:
            return
        try:
            if words[0] == b"get":
                left = int(words[1])
                while left > 0:
                    chunk = PATTERN[: min(left, len(PATTERN))]
                    conn.sendall(chunk)
                    left -= len(chunk)
            elif words[0] == b"who":
                conn.sendall(client[0].encode())
            elif words[0] == b"proxied":
                conn.sendall(proxied)
            elif words[0] == b"swap":
                if not swap_with(conn, int(words[1])):
                    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif words[0] == b"put":
                serve_put(conn)
            elif words[0] == b"half":
                count = 0
                while data := conn.recv(1 << 16):
                    count += len(data)
                conn.sendall(str(count).encode())
            elif words[0] == b"early":
                select.select([conn], [], [], 20)
                time.sleep(0.02)  # until a second subflow is there or not
                conn.sendall(b"answer")  # and a reset, for the rest of the question is not read
            elif words[0] == b"reset":
                conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass


def serve_tcp(address, port, protocol):
    listener = socket.socket(family_of(address), socket.SOCK_STREAM, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(512)
    while True:
        conn, client = listener.accept()
        threading.Thread(target=serve_one, args=(conn, client), daemon=True).start()


def serve(address):
    for port, protocol in ((8000, 0), (8001, IPPROTO_MPTCP)):
        threading.Thread(target=serve_tcp, args=(address, port, protocol), daemon=True).start()
    udp = socket.socket(family_of(address), socket.SOCK_DGRAM)
    udp.bind((address, 5353))
    print("ready", flush=True)
    while True:
        _, client = udp.recvfrom(2048)
        udp.sendto(client[0].encode(), client)


def connect(address, port, request):
    protocol = IPPROTO_MPTCP if os.environ.get("PEER_MPTCP") else 0
    conn = socket.socket(family_of(address), socket.SOCK_STREAM, protocol)
    conn.settimeout(50)
    conn.connect((address, int(port)))
    conn.sendall(request.encode() + b"\n")
    return conn


def get(address, port, count):
    left = int(count)
    conn = connect(address, port, f"get {count}")
    at = 0
    while data := conn.recv(1 << 16):
        start = at % len(PATTERN)
        want = (PATTERN + PATTERN)[start : start + len(data)]
        if data != want:
            sys.exit(f"wrong bytes after {at}")
        at += len(data)
    if at != left:
        sys.exit(f"{at} bytes instead of {left}")
    print(at)


def swap(address, port, count):
    conn = connect(address, port, f"swap {count}")
    if not swap_with(conn, int(count)):
        sys.exit("wrong bytes")
    print(count)


def proxied(address, port):
    conn = connect(address, port, "proxied")
    print(conn.recv(200).decode().strip(), *conn.getsockname()[:2])


def many(address, port, count):
    right = []

    def some(n):
        for _ in range(n):
            conn = connect(address, port, "get 5000")
            data = b""
            while piece := conn.recv(1 << 16):
                data += piece
            conn.close()
            if data == PATTERN[:5000]:
                right.append(1)

    threads = [threading.Thread(target=some, args=(int(count) // 50,)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(right), "right")


def put(address, port, count):
    conn = connect(address, port, "put")
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
    conn.sendall(bytes(int(count)))
    os._exit(0)


def who(address, port):
    print(connect(address, port, "who").recv(100).decode())


def read_all(sock):
    """What comes, and how it ends."""
    data = b""
    try:
        while more := sock.recv(1 << 16):
            data += more
    except OSError as error:
        return data, type(error)
    return data, None


def multipath(port):
    return port == "8001" or bool(os.environ.get("PEER_MPTCP"))


def ends(address, port):
    seen = []
    sock = connect(address, port, "half")
    sock.sendall(bytes(100000))
    sock.shutdown(socket.SHUT_WR)
    if read_all(sock) == (b"100000", None):
        seen.append("half")
    answers = [read_all(connect(address, port, "early\n" + 2000 * "x")) for _ in range(20)]
    whole = answers.count((b"answer", ConnectionResetError))
    # A fast close comes by every path, and by another one it may overtake the answer.
    overtaken = answers.count((b"", ConnectionResetError)) if multipath(port) else 0
    if whole + overtaken == 20 and whole >= 5:
        seen.append("early")
    if read_all(connect(address, port, "reset")) == (b"", ConnectionResetError):
        seen.append("reset")
    try:
        socket.create_connection((address, 81))
    except ConnectionRefusedError:
        seen.append("refused")
    print(*seen)


def udp_who(address, port="5353", seconds="20"):
    sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
    sock.settimeout(float(seconds))
    sock.sendto(b"who", (address, int(port)))
    print(sock.recvfrom(100)[0].decode())


def udp_loop(address, end):
    sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
    sock.settimeout(0.2)
    last = None
    for _ in range(500):
        try:
            sock.sendto(b"who", (address, 5353))
            seen = sock.recvfrom(100)[0].decode()
        except OSError:
            continue
        if seen != last:
            print(seen, flush=True)
        if seen == end:
            return
        last = seen
        time.sleep(0.05)


def ping(address):
    """One echo request with an identifier, so that no other program's answer is taken for ours."""
    six = family_of(address) == socket.AF_INET6
    request, answer = (128, 129) if six else (8, 0)
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    sock = socket.socket(family_of(address), socket.SOCK_RAW, protocol)
    sock.settimeout(20)
    head = struct.pack("!BBHHH", request, 0, 0, 0x4D, 1)
    checksum = 0xFFFF - sum(struct.unpack("!4H", head))  # the kernel puts in IPv6's, pseudo-header
    sock.sendto(head[:2] + struct.pack("!H", checksum) + head[4:], (address, 0))
    while True:
        reply = sock.recvfrom(200)[0][0 if six else 20 :]
        if reply[0] == answer and reply[4:6] == b"\0\x4d":
            print("pong")
            return


def past(address, port):
    sock = socket.socket(family_of(address), socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"uplink0")
    sock.settimeout(1)
    try:
        sock.connect((address, int(port)))
        print("connected")
    except OSError as error:
        print(f"blocked: {error}")


if __name__ == "__main__":
    ACTIONS = {"serve": serve, "get": get, "many": many, "put": put, "swap": swap,
               "proxied": proxied, "who": who, "udp": udp_who,
               "udploop": udp_loop, "ping": ping, "past": past, "ends": ends}
    ACTIONS[sys.argv[1]](*sys.argv[2:])
