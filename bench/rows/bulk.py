"""Bulk transfer through one connection: over devices (bench/bulk_net.py), and in one process."""
from bulk_net import Transfer
from common import Case, inproc


def transfer(build, sender, sink, subflows=1, checksum=False):
    with Transfer(build, sender, sink, subflows, checksum) as one:
        return one.run()


def network_case(row, cpu_row, build, sender, sink):
    """Beside kernel to kernel: how fast, and how much processor time of both ends."""
    def measure(a, b):
        result = transfer(build, a, b)
        return {row: result["gbps"], cpu_row: result["cpu"]}
    return Case({row: "Gb/s", cpu_row: "s/GB"}, lambda: measure(sender, sink),
                lambda: measure("kernel", "kernel"), "kernel MPTCP", root=True)


def half_case(row, build, sender, sink, **more):
    """Beside the same with one subflow and without checksums."""
    return Case({row: "Gb/s"},
                lambda: {row: transfer(build, sender, sink, **more)["gbps"]},
                lambda: {row: transfer(build, sender, sink)["gbps"]},
                "one subflow, no checksums", root=True)


def self_case(build):
    """Two stacks joined by memory beside the kernel's over veth, which has two cores."""
    def ours():
        gbps = inproc(build, "--tso")["gbps"]
        return {"self_1sf": gbps, "cpu_self": 8 / gbps}

    def peer():
        result = transfer(build, "kernel", "kernel")
        return {"self_1sf": result["gbps"], "cpu_self": result["cpu"]}
    return Case({"self_1sf": "Gb/s", "cpu_self": "s/GB"}, ours, peer, "kernel MPTCP", root=True)


def memory_case(build, name, *args):
    return Case({name: "Gb/s"}, lambda: {name: inproc(build, "--tso", *args)["gbps"]})


def segments_case(build, name, *args):
    """Packets of 1500 bytes, every checksum computed and verified."""
    args = ("--sums", "--subflows", "2", *args)
    return Case({name: "1/s"}, lambda: {name: inproc(build, *args)["segments_per_s"]})


def cases(build, pair):
    yield network_case("send_1sf", "cpu_send", build, "ours", "kernel")
    yield network_case("recv_1sf", "cpu_recv", build, "kernel", "ours")
    yield network_case("both_1sf", "cpu_both", build, "ours", "ours")
    yield half_case("send_2sf", build, "ours", "kernel", subflows=2)
    yield half_case("recv_2sf", build, "kernel", "ours", subflows=2)
    yield half_case("send_csum", build, "ours", "kernel", checksum=True)
    yield self_case(build)
    yield memory_case(build, "self_2sf", "--subflows", "2")
    yield memory_case(build, "self_csum", "--checksum")
    yield segments_case(build, "segments_per_s", "--cut")
    yield segments_case(build, "segments_per_s_each")
