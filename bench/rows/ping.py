"""64 bytes there and back. Ours is behind a TUN device in the namespace of the kernel's server; the
kernel's client is in a namespace of its own, joined to the server's by veth."""
from bulk_net import End, Space
from common import Case, sh

PORT = "5400"
COUNT = {False: "5000", True: "1000"}  # by load
# A shallow queue before the client: 100 Mb/s, and no more than 2 ms.
QUEUE = ["root", "tbf", "rate", "100mbit", "burst", "16kb", "latency", "2ms"]


class PingPong:
    def __init__(self, build, load):
        self.build, self.load = build, load
        self.spaces, self.ends = [], []

    def __enter__(self):
        self.server = self.space("s")
        return self

    def __exit__(self, *_):
        for end in self.ends:
            if end.child.poll() is None:
                end.child.kill()
            end.child.communicate()
        for space in self.spaces:
            space.delete()

    def space(self, name):
        self.spaces.append(Space(f"ping{name}"))
        return self.spaces[-1]

    def start(self, *argv):
        self.ends.append(End([f"{self.build}/bench/{argv[0]}", *argv[1:]]))
        return self.ends[-1]

    def serve(self, device):
        if self.load:
            sh("tc", "-n", self.server.name, "qdisc", "add", "dev", device, *QUEUE)
        self.start("ping-kernel", self.server.name, "serve", PORT).expect("READY")

    def kernel(self):
        client = self.space("c")
        client.ip("link", "add", "v1", "type", "veth", "peer", "name", "v1", "netns",
                  self.server.name)
        self.server.address("v1", "10.5.1.1")
        client.address("v1", "10.5.1.2")
        self.serve("v1")
        return self.start("ping-kernel", client.name, "ping", "10.5.1.1", PORT,
                          COUNT[self.load], str(int(self.load))).result()

    def ours(self, busy):
        end = self.start("ping-ours", self.server.name, "pingx1", "10.5.1.2", "10.5.1.1", PORT,
                         COUNT[self.load], str(int(self.load)), str(int(busy)))
        end.expect("OPEN")
        self.server.address("pingx1", "10.5.1.1")
        self.serve("pingx1")
        end.go()
        return end.result()


def ours(build, load=False, busy=False):
    with PingPong(build, load) as one:
        return one.ours(busy)


def kernel(build, load=False):
    with PingPong(build, load) as one:
        return one.kernel()


def named(result, p50, p99):
    return {p50: result["p50_us"], p99: result["p99_us"]}


def ping_case(build, p50, p99, **how):
    load = how.get("load", False)
    return Case({p50: "us", p99: "us"}, lambda: named(ours(build, **how), p50, p99),
                lambda: named(kernel(build, load), p50, p99), "kernel MPTCP", root=True)


def cases(build, pair):
    yield ping_case(build, "pingpong_p50", "pingpong_p99")
    yield ping_case(build, "pingpong_busy_p50", "pingpong_busy_p99", busy=True)
    yield ping_case(build, "pingpong_loaded_p50", "pingpong_loaded_p99", load=True)
