"""Connections that come and go, and that are only there, in numbers."""
import json
import os
from contextlib import contextmanager

from common import SECONDS, Case, inproc, sh

MILLION = 1_000_000


def many(build, *args):
    return json.loads(sh(f"{build}/bench/many", *args, timeout=600))


@contextmanager
def loopback():
    """A namespace for bench/conns; its name."""
    ns = f"plaitl{os.getpid()}"
    sh("ip", "netns", "add", ns)
    try:
        sh("ip", "-n", ns, "link", "set", "lo", "up")
        sh("ip", "-n", ns, "route", "add", "local", "10.99.0.0/16", "dev", "lo")
        sh("ip", "-n", ns, "addr", "add", "10.99.0.2/32", "dev", "lo")
        sh("ip", "-n", ns, "mptcp", "limits", "set", "subflows", "4")
        sh("ip", "-n", ns, "mptcp", "endpoint", "add", "10.99.0.2", "subflow")
        yield ns
    finally:
        sh("ip", "netns", "del", ns, check=False)


def kernel(build, *args):
    with loopback() as ns:
        return json.loads(sh("ip", "netns", "exec", ns, f"{build}/bench/conns", *args))


def rate(build, name, at_a_time, subflows):
    args = ["--rate", str(at_a_time), "--subflows", str(subflows), "--seconds", str(SECONDS)]
    return Case({name: "1/s"}, lambda: {name: many(build, *args)["rate"]},
                lambda: {name: kernel(build, *args)["rate"]}, "kernel MPTCP", root=True)


def idle(build):
    return {"idle_bytes": inproc(build, "--idle", "1000", "--subflows", "2")["idle_bytes"]}


def idle_kernel(build):
    return {"idle_bytes": kernel(build, "--open", "4000", "--subflows", "2")["slab_bytes"]}


def million(build):
    """All of them, and ten alone for comparison."""
    crowd = many(build, "--open", str(MILLION), "--subflows", "2")
    few = [many(build, "--open", "10", "--subflows", "2")["echo_ns_ten"] for _ in range(5)]
    return {"million": crowd["bytes_passive"] * MILLION / 1e9,
            "flat_cost": crowd["echo_ns_ten"] / sorted(few)[2],
            "flat_cost_any": crowd["echo_ns_any"] / sorted(few)[2]}


def cases(build, pair):
    yield rate(build, "conn_rate", 1, 1)
    yield rate(build, "conn_rate_parallel", 256, 1)
    yield rate(build, "conn_rate_join", 1, 2)
    yield Case({"idle_bytes": "bytes"}, lambda: idle(build), lambda: idle_kernel(build),
               "kernel MPTCP", root=True, exact=True)
    yield Case({"million": "GB", "flat_cost": "times", "flat_cost_any": "times"},
               lambda: million(build), exact=True)
