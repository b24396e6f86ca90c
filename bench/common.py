"""What the driver and the modules of bench/rows share: how a thing to measure is described, and
where it is measured."""
import json
import os
import subprocess
import time
from dataclasses import dataclass
from typing import Callable, Optional

SECONDS = float(os.environ.get("SECONDS", "2"))


class Failed(Exception):
    """A measurement that did not come about, and why."""


@dataclass
class Case:
    """One thing to measure. `ours` and `peer` run it once and return {row: figure}; a case gives
    several rows when one run yields several figures."""
    units: dict  # row: unit
    ours: Callable[[], dict]
    peer: Optional[Callable[[], dict]] = None
    peer_name: str = ""
    root: bool = False  # needs namespaces
    exact: bool = False  # comes out the same each time: once is enough


def sh(*argv, check=True, timeout=60):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def inproc(build, *args, timeout=60):
    """Runs bench/inproc and returns what it printed."""
    return json.loads(sh(f"{build}/bench/inproc", "--seconds", str(SECONDS), *args,
                         timeout=timeout))


class Pair:
    """Two namespaces joined by two veth links, made when first used. The server has the addresses
    10.91.1.1 and 10.91.2.1 on its links, 10.91.9.1 for both, and iperf3: plain on port 5201, on the
    kernel's MPTCP on port 5202."""

    def __init__(self):
        tag = f"plaitb{os.getpid()}"
        self.client, self.server = f"{tag}c", f"{tag}s"
        self.children = []
        self.made = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            child.terminate()
            child.wait()
        if self.made:
            for ns in (self.client, self.server):
                sh("ip", "netns", "del", ns, check=False)

    def make(self):
        if self.made:
            return self
        self.made = True
        for ns in (self.client, self.server):
            sh("ip", "netns", "add", ns)
            sh("ip", "-n", ns, "link", "set", "lo", "up")
        for i in (1, 2):
            self.link(i)
        sh("ip", "-n", self.server, "addr", "add", "10.91.9.1/32", "dev", "lo")
        sh("ip", "-n", self.server, "mptcp", "limits", "set", "subflows", "8",
           "add_addr_accepted", "8")
        for port, wrap in ((5201, []), (5202, ["mptcpize", "run"])):
            self.start(self.server, *wrap, "iperf3", "-s", "-p", str(port))
        time.sleep(0.5)
        return self

    def link(self, i):
        sh("ip", "-n", self.client, "link", "add", f"net{i}", "type", "veth", "peer", "name",
           f"net{i}", "netns", self.server)
        for ns, host in ((self.client, 2), (self.server, 1)):
            sh("ip", "-n", ns, "addr", "add", f"10.91.{i}.{host}/24", "dev", f"net{i}")
            sh("ip", "-n", ns, "link", "set", f"net{i}", "up")
        sh("ip", "-n", self.client, "route", "add", "default", "via", f"10.91.{i}.1", "metric",
           str(i))

    def start(self, ns, *argv):
        """Starts a program in a namespace; it ends with the pair."""
        self.children.append(subprocess.Popen(["ip", "netns", "exec", ns, *argv],
                                              stdout=subprocess.DEVNULL,
                                              stderr=subprocess.DEVNULL))

    def iperf(self, prefix, port, reverse):
        """Gb/s of one iperf3 transfer, which `prefix` (a command and its arguments) starts."""
        self.make()
        argv = ["ip", "netns", "exec", self.client, *prefix, "iperf3", "-c", "10.91.9.1", "-p",
                str(port), "-t", str(max(1, round(SECONDS))), "-J"] + (["-R"] if reverse else [])
        end = json.loads(sh(*argv))["end"]
        return end["sum_received"]["bits_per_second"] / 1e9
