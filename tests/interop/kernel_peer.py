#!/usr/bin/python3
"""The kernel's end of an interop case: one connection of this namespace, MPTCP or plain TCP.

It speaks the same transfer protocol as peer.c: each side sends `--bytes` of SHAKE-128 of its seed,
both ways at once, and compares what it receives with the stream of `--peer-seed`. The first
HELLO bytes go at once; the rest waits for `--join-wait` subflows. A server prints READY when it
listens. The last line on stdout is one JSON object with the result.
"""

import argparse
import ctypes
import errno
import hashlib
import json
import select
import socket
import struct
import subprocess
import sys
import time

IPPROTO_MPTCP = 262
SOL_MPTCP = 284
SHOW_SECONDS = 3
MPTCP_INFO = 1
MPTCP_TCPINFO = 2
TCP_IS_MPTCP = 43
TCP_STATE_ESTABLISHED = 1
TCP_INFO_SIZE = 104
HELLO = 1000
CHUNK = 65536
TCP_FASTOPEN = 23
TCP_FASTOPEN_CONNECT = 30


def stream(seed, count):
    return hashlib.shake_128(str(seed).encode()).digest(count)


def parse_arguments():
    p = argparse.ArgumentParser()
    p.add_argument('role', choices=['client', 'server'])
    p.add_argument('--family', choices=['4', '6', '46', '64'], default='4')
    p.add_argument('--local', default='')
    p.add_argument('--remote', default='')
    p.add_argument('--port', type=int, default=5001)
    p.add_argument('--plain', action='store_true', help='plain TCP socket')
    p.add_argument('--fastopen', action='store_true',
                   help='TCP Fast Open; a first connection only fetches the cookie')
    p.add_argument('--after-handshake', action='store_true',
                   help='send nothing before the third ACK, although Fast Open would let us')
    p.add_argument('--bytes', type=int, default=0)
    p.add_argument('--peer-bytes', type=int, default=0)
    p.add_argument('--seed', default='kernel')
    p.add_argument('--peer-seed', default='plait')
    p.add_argument('--join-wait', type=int, default=1, metavar='N',
                   help='subflows that must be established before the rest is sent')
    p.add_argument('--wait-eof', action='store_true', help="send after the peer's end of stream")
    p.add_argument('--fastclose', type=int, default=-1, metavar='N',
                   help='abort when N bytes were received')
    p.add_argument('--any-bytes', action='store_true',
                   help='other bytes than expected, or more or fewer, are noted and no failure')
    p.add_argument('--at', nargs=2, action='append', default=[], metavar=('N', 'COMMAND'),
                   help='run a command when N bytes were received')
    p.add_argument('--receive-buffer', type=int, default=0, metavar='BYTES')
    p.add_argument('--timeout', type=float, default=8)
    return p.parse_args()


def make_socket(args):
    family = socket.AF_INET if args.family == '4' else socket.AF_INET6
    s = socket.socket(family, socket.SOCK_STREAM, 0 if args.plain else IPPROTO_MPTCP)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b'cubic')
    if args.receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, args.receive_buffer)
    if len(args.family) > 1:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    if args.fastopen:
        option = TCP_FASTOPEN if args.role == 'server' else TCP_FASTOPEN_CONNECT
        s.setsockopt(socket.IPPROTO_TCP, option, 8 if args.role == 'server' else 1)
    return s


def mapped(args, address):
    """The address as a socket of this family takes it."""
    return '::ffff:' + address if len(args.family) > 1 and ':' not in address else address


def connect(args):
    s = make_socket(args)
    s.settimeout(args.timeout)
    if args.local:
        s.bind((mapped(args, args.local), 0))
    s.connect((mapped(args, args.remote), args.port))
    return s


def open_connection(args):
    """The connected socket, and the listener it came from (None for a client)."""
    if args.role == 'client':
        if args.fastopen:
            connect(args).close()
        return connect(args), None
    s = make_socket(args)
    s.settimeout(args.timeout)
    s.bind(('', args.port))
    s.listen(8)
    print('READY', flush=True)
    if args.fastopen:
        s.accept()[0].close()
    return s.accept()[0], s


class Transfer:
    """One connection and what has happened on it."""

    def __init__(self, args, sock):
        self.args = args
        self.sock = sock
        self.out = memoryview(stream(args.seed, args.bytes))
        self.expected = memoryview(stream(args.peer_seed, args.peer_bytes))
        self.sent = 0
        self.received = 0
        self.eof = False
        self.shut = False
        self.released = False
        self.aborted = False
        self.altered = False
        self.error = ''
        self.established = 0
        self.info = {}
        self.actions = sorted((int(n), command) for n, command in args.at)

    def count_subflows(self):
        """Established subflows, or 1 when the kernel does not call this MPTCP (any more)."""
        head = struct.calcsize('=IIII')
        data = struct.pack('=IIII', head, 0, 0, TCP_INFO_SIZE).ljust(head + 16 * TCP_INFO_SIZE,
                                                                    b'\0')
        try:
            data = getsockopt_in_out(self.sock, SOL_MPTCP, MPTCP_TCPINFO, data)
        except OSError:
            return 1
        _, count, _, _ = struct.unpack_from('=IIII', data)
        states = [data[head + i * TCP_INFO_SIZE] for i in range(min(count, 16))]
        now = states.count(TCP_STATE_ESTABLISHED)
        self.established = max(self.established, now)
        return now

    def note_info(self):
        """Remembers MPTCP_INFO while the socket still has it."""
        try:
            raw = self.sock.getsockopt(SOL_MPTCP, MPTCP_INFO, 96)
            self.info = {'checksum': raw[42], 'subflows_total': raw[80]}
        except OSError:
            self.info = {}
        try:
            self.info['is_mptcp'] = self.sock.getsockopt(socket.IPPROTO_TCP, TCP_IS_MPTCP)
        except OSError:
            self.info['is_mptcp'] = 0

    def may_send(self):
        """How many more bytes may go now."""
        total = len(self.out)
        if self.args.after_handshake and self.count_subflows() == 0:
            return 0
        if not self.released and self.received >= min(HELLO, len(self.expected)):
            ready = self.args.plain or self.count_subflows() >= self.args.join_wait
            self.released = ready and (self.eof or not self.args.wait_eof)
        return (total if self.released else min(HELLO, total)) - self.sent

    def send_some(self, room):
        try:
            self.sent += self.sock.send(self.out[self.sent:self.sent + min(room, CHUNK)])
        except BlockingIOError:
            pass

    def receive_some(self):
        try:
            data = self.sock.recv(CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.eof = True
            self.altered = self.altered or self.received != len(self.expected)
            if self.altered and not self.args.any_bytes:
                raise ValueError(f'end of stream after {self.received} bytes')
            return
        if data != self.expected[self.received:self.received + len(data)]:
            self.altered = True
            if not self.args.any_bytes:
                raise ValueError(f'wrong bytes at {self.received}')
        self.received += len(data)

    def raise_error(self):
        number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number != 0 or not self.shut:
            raise OSError(number or errno.ECONNRESET, 'reset')

    def act(self):
        """Whatever is due at this byte count."""
        while self.actions and self.received >= self.actions[0][0]:
            subprocess.run(self.actions.pop(0)[1], shell=True, check=True)
        if self.args.fastclose >= 0 and self.received >= self.args.fastclose:
            self.note_info()
            self.aborted = True
            disconnect(self.sock)

    def step(self):
        room = self.may_send()
        poller = select.poll()
        poller.register(self.sock, (select.POLLOUT if room > 0 else 0)
                        | (0 if self.eof else select.POLLIN))
        waiting = not self.released or room == 0
        for _, events in poller.poll(10 if waiting else 200):
            if events & (select.POLLIN | select.POLLHUP | select.POLLERR) and not self.eof:
                self.receive_some()
            elif events & (select.POLLHUP | select.POLLERR):
                self.raise_error()  # a reset behind the end of the stream: not always writable
            if events & select.POLLOUT:
                self.send_some(room)
        self.act()
        if self.sent == len(self.out) and not self.shut and not self.aborted:
            self.note_info()
            self.count_subflows()
            self.sock.shutdown(socket.SHUT_WR)
            self.shut = True

    def run(self):
        end = time.monotonic() + self.args.timeout
        self.sock.setblocking(False)
        try:
            while not (self.shut and self.eof) and not self.aborted:
                if time.monotonic() > end:
                    show_sockets()
                    raise TimeoutError('no end in time')
                self.step()
        except (ValueError, TimeoutError) as e:
            self.error = str(e)
        except OSError as e:
            self.error = errno.errorcode.get(e.errno, str(e))

    def result(self):
        return {'ok': not self.error, 'error': self.error, 'sent': self.sent,
                'received': self.received, 'eof': self.eof, 'aborted': self.aborted,
                'altered': self.altered, 'released': self.released,
                'subflows_max': self.established, **self.info}


def show_sockets():
    """For the reader of a failure. `ss` waits for a socket that the kernel has locked for ever, and
    cannot be killed then, so nobody waits for it."""
    process = subprocess.Popen(['ss', '-tniemM'], stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        process.wait(SHOW_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def libc():
    return ctypes.CDLL(None, use_errno=True)


def getsockopt_in_out(sock, level, option, data):
    """getsockopt(2) whose buffer the kernel also reads, which Python's does not pass."""
    buf = ctypes.create_string_buffer(data, len(data))
    size = ctypes.c_uint32(len(data))
    if libc().getsockopt(sock.fileno(), level, option, buf, ctypes.byref(size)) < 0:
        raise OSError(ctypes.get_errno(), 'getsockopt')
    return buf.raw


def disconnect(sock):
    """connect(AF_UNSPEC): for MPTCP the kernel sends MP_FASTCLOSE, for TCP a RST."""
    if libc().connect(sock.fileno(), bytes(16), 16) < 0:
        raise OSError(ctypes.get_errno(), 'connect')


def main():
    args = parse_arguments()
    try:
        sock, listener = open_connection(args)
    except OSError as e:
        name = 'ETIMEDOUT' if isinstance(e, TimeoutError) else errno.errorcode.get(e.errno, str(e))
        print(json.dumps({'ok': False, 'error': name, 'sent': 0, 'received': 0}))
        return 1
    transfer = Transfer(args, sock)
    transfer.run()
    result = transfer.result()
    sock.close()
    if listener:
        listener.close()
    print(json.dumps(result))
    return 0 if result['ok'] else 1


if __name__ == '__main__':
    sys.exit(main())
