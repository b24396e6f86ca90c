"""One bulk transfer between any two of: our stack (bench/bulk/ours.c, behind TUN devices) and the
kernel's MPTCP (bench/bulk/kernel.c), in namespaces of its own. Kernel to kernel is two namespaces
joined by veth links; our devices are in the kernel end's namespace; ours to ours are two sets of
devices between which a third namespace forwards. CUBIC everywhere (a namespace may not choose it, a
socket may)."""
import json
import os
import subprocess

from common import SECONDS, Failed, sh

PORT = "5300"


class End:
    """A running end."""

    def __init__(self, argv):
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)

    def expect(self, word):
        line = self.child.stdout.readline().strip()
        if line != word:
            self.child.kill()
            raise Failed(f"{self.child.args[0]}: {self.child.stderr.read().strip() or line}")

    def go(self):
        self.child.stdin.write("\n")
        self.child.stdin.flush()

    def result(self):
        out, err = self.child.communicate(timeout=SECONDS + 60)
        if self.child.returncode != 0:
            raise Failed(f"{self.child.args[0]}: {err.strip()}")
        return json.loads(out.strip().splitlines()[-1])


class Space:
    """A namespace, and what runs there."""

    def __init__(self, name):
        self.name = f"plaitbulk{os.getpid()}{name}"
        sh("ip", "netns", "add", self.name)
        self.set("net.ipv4.ip_forward", "1")
        self.ip("link", "set", "lo", "up")
        self.ip("mptcp", "limits", "set", "subflows", "8", "add_addr_accepted", "8")

    def set(self, name, value):
        sh("ip", "netns", "exec", self.name, "sysctl", "-qw", f"{name}={value}")

    def ip(self, *argv):
        sh("ip", "-n", self.name, *argv)

    def address(self, device, address, mptcp=None):
        self.ip("addr", "add", f"{address}/24", "dev", device)
        self.ip("link", "set", device, "mtu", "1500", "up")
        if mptcp:
            self.ip("mptcp", "endpoint", "add", address, "dev", device, mptcp)

    def delete(self):
        sh("ip", "netns", "del", self.name, check=False)


class Transfer:
    """One, from `sender` to `sink`: each "ours" or "kernel". Ours writes by reference and reads in
    place, or has its bytes copied as the kernel has to."""

    def __init__(self, build, sender, sink, subflows, checksum=False, copy=False):
        self.build, self.kinds = build, (sender, sink)
        self.subflows, self.checksum = subflows, checksum
        self.flags = ("c" if checksum else "") + ("" if copy else "r") + "-"
        self.spaces, self.ends = [], []

    def space(self, name):
        self.spaces.append(Space(name))
        self.spaces[-1].set("net.mptcp.checksum_enabled", str(int(self.checksum)))
        return self.spaces[-1]

    def start(self, kind, space, net, *what):
        """Our devices have the addresses 10.net.i.2, and their other ends 10.net.i.1."""
        if kind == "kernel":
            self.ends.append(End([f"{self.build}/bench/bulk-kernel", space.name, *what]))
            return self.ends[-1]
        end = End([f"{self.build}/bench/bulk-ours", space.name, str(net), str(self.subflows),
                   self.flags, *what])
        self.ends.append(end)
        end.expect("OPEN")
        other_sends = what[0] == "sink"
        for i in range(1, self.subflows + 1):
            signal = "signal" if i > 1 and not other_sends else None
            space.address(f"bulk{net}x{i}", f"10.{net}.{i}.1", signal)
        end.go()
        return end

    def veth(self, client, server):
        for i in range(1, self.subflows + 1):
            client.ip("link", "add", f"v{i}", "type", "veth", "peer", "name", f"v{i}", "netns",
                      server.name)
            server.address(f"v{i}", f"10.1.{i}.1", "signal" if i > 1 else None)
            client.address(f"v{i}", f"10.1.{i}.2")

    def set_up(self):
        """Starts the ends; the sink is the last."""
        send = ["send", None, PORT, str(SECONDS)]
        if self.kinds == ("kernel", "kernel"):
            a, b = self.space("a"), self.space("b")
            self.veth(a, b)
            sink, sink_net, sink_host, source, source_net = b, 1, 1, a, 1
        elif self.kinds == ("ours", "ours"):
            sink = source = self.space("r")
            sink_net, sink_host, source_net = 3, 2, 2
        else:
            sink = source = self.space("a")
            sink_net = source_net = 2
            sink_host = 1 if self.kinds[1] == "kernel" else 2
        send[1] = f"10.{sink_net}.1.{sink_host}"
        if self.kinds[0] == "ours" and self.kinds[1] == "kernel":
            self.ends.append(End([f"{self.build}/bench/bulk-kernel", sink.name, "sink", PORT]))
            receiver = self.ends[-1]
        else:
            receiver = self.start(self.kinds[1], sink, sink_net, "sink", PORT)
        receiver.expect("READY")
        return self.start(self.kinds[0], source, source_net, *send), receiver

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in self.ends:
            if end.child.poll() is None:
                end.child.kill()
            end.child.communicate()
        for space in self.spaces:
            space.delete()

    def run(self):
        """Gb/s at the sink, and seconds of processor time of both ends for a gigabyte."""
        sender, receiver = self.set_up()
        got, sent = receiver.result(), sender.result()
        if got["bytes"] != sent["bytes"]:
            raise Failed(f"{sent['bytes']} bytes sent, {got['bytes']} received")
        return {"gbps": got["bytes"] * 8 / 1e9 / got["seconds"],
                "cpu": (got["cpu_s"] + sent["cpu_s"]) / (got["bytes"] / 1e9),
                "ends": [sent, got]}
