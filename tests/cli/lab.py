"""The two namespaces that the cases of tests/cli run in, and what they have in common."""

import contextlib
import difflib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PEER = ["/usr/bin/python3", os.path.join(HERE, "peer.py")]
SERVER = "198.51.100.1"
SERVER6 = "2001:db8::1"
SECONDS = 60
TRIES = 8


class Failed(Exception):
    """A case did not see what it wanted."""


def check(condition, text):
    if not condition:
        raise Failed(text)


def shell(words, **options):
    done = subprocess.run(
        words.split() if isinstance(words, str) else words,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS, check=False, text=True,
        **options,
    )  # fmt: skip
    return done


def must(words):
    done = shell(words)
    if done.returncode != 0:
        raise Failed(f"{words}: {done.stderr.strip()}")
    return done.stdout


class Lab:
    """The two namespaces, the server and the directory for files."""

    def __init__(self, plait):
        self.plait = plait
        self.host = f"pltcli{os.getpid()}h"
        self.net = f"pltcli{os.getpid()}n"
        self.dir = tempfile.mkdtemp(prefix="plait-cli-")
        self.servers = []
        self.resolv = f"/etc/netns/{self.host}"
        self.made_etc_netns = False

    def make(self):
        for name in (self.host, self.net):
            must(f"ip netns add {name}")
            must(f"ip -n {name} link set lo up")
        for i in (1, 2):
            self.join(i)
        must(f"ip -n {self.net} addr add {SERVER}/32 dev lo")
        must(f"ip -n {self.net} addr add {SERVER6}/128 dev lo nodad")
        must(f"ip -n {self.net} mptcp limits set subflows 8 add_addr_accepted 8")
        # Strict reverse-path filtering: answers must come back by the link they belong to.
        for where in ("all", "default", "eth1", "eth2"):
            must(f"ip netns exec {self.host} sysctl -qw net.ipv4.conf.{where}.rp_filter=1")
        for address in (SERVER, SERVER6):
            self.serve(address)

    def join(self, i, metric=None):
        """Link number i between the two, with addresses and default routes."""
        host, net = self.host, self.net
        must(f"ip -n {host} link add eth{i} type veth peer name l{i} netns {net}")
        for name, link, last in ((host, f"eth{i}", 2), (net, f"l{i}", 1)):
            must(f"ip -n {name} addr add 10.{i}.0.{last}/24 dev {link}")
            must(f"ip -n {name} addr add fd0{i}::{last}/64 dev {link} nodad")
            # No link-local addresses, whose late arrival would look like something left behind.
            must(f"ip netns exec {name} sysctl -qw net.ipv6.conf.{link}.addr_gen_mode=1")
            must(f"ip -n {name} link set {link} up")
        self.route(i, metric)

    def route(self, i, metric=None):
        metric = metric or 100 + i
        must(f"ip -n {self.host} route replace default via 10.{i}.0.1 dev eth{i} metric {metric}")
        must(f"ip -n {self.host} route replace default via fd0{i}::1 dev eth{i} metric {metric}")

    def serve(self, address):
        words = ["ip", "netns", "exec", self.net, *PEER, "serve", address]
        server = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=self.dir, text=True)
        self.servers.append(server)
        check(server.stdout.readline() == "ready\n", "the server does not start")

    def clean(self):
        for server in self.servers:
            server.kill()
            server.wait()
            server.stdout.close()
        for name in (self.host, self.net):
            shell(f"ip netns del {name}")
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree(self.resolv, ignore_errors=True)
        if self.made_etc_netns:
            with contextlib.suppress(OSError):  # somebody else has put something there since
                os.rmdir("/etc/netns")

    # ---- running plait ----

    def words(self, *arguments):
        return ["ip", "netns", "exec", self.host, self.plait, "run", *arguments]

    def run(self, *arguments, **options):
        return shell(self.words(*arguments), **options)

    def start(self, *arguments):
        return subprocess.Popen(self.words(*arguments), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True,
                                start_new_session=True)  # fmt: skip

    def ask(self, *arguments, before=()):
        """What the peer's client prints."""
        done = self.run(*before, "--", *PEER, *arguments)
        check(done.returncode == 0, f"{arguments}: {done.stderr.strip()[-300:]}")
        return done.stdout.strip()

    def wait_for_start(self, process):
        """Until the program of a plait that was started runs."""
        children = f"/proc/{process.pid}/task/{process.pid}/children"

        def runs():
            if process.poll() is not None:
                raise Failed(f"plait ends: {process.returncode} {process.communicate()[1]}")
            with open(children, encoding="ascii") as file:
                return any(name_of(child) == "sleep" for child in file.read().split())

        wait_until(runs, "plait does not start the program")

    def program_of(self, process):
        """The process number of the program that a started plait runs."""
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
            return next(int(child) for child in file.read().split() if name_of(child) == "sleep")

    def snapshot(self):
        """All that plait could leave behind in the host's namespace."""
        inside = f"ip netns exec {self.host}"
        parts = [must(f"ip -n {self.host} {what}") for what in (
            "-br link", "rule", "-6 rule", "route show table all", "-6 route show table all")]
        parts.append(must(f"{inside} nft list ruleset"))
        for family, name in (("ipv4", "forwarding"), ("ipv6", "force_forwarding"),
                             ("ipv6", "forwarding"), ("ipv6", "accept_ra")):
            for link in ("all", "default", "eth1", "eth2"):
                path = f"/proc/sys/net/{family}/conf/{link}/{name}"
                parts.append(f"{link} {name} " + shell(f"{inside} cat {path}").stdout)
        return "\n".join(parts)

    def state_files(self):
        try:
            return sorted(n for n in os.listdir("/run/plait") if n != "lock")
        except FileNotFoundError:
            return []


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def same(before, lab, text):
    after = lab.snapshot()
    if after != before:
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
        raise Failed(text + "\n" + "\n".join(lines))


def wait_until(condition, text):
    end = time.monotonic() + SECONDS
    while not condition():
        check(time.monotonic() < end, text)
        time.sleep(0.02)


def in_some_try(attempt, text):
    """For what a short transfer does only when there is time for it: it joins over another link."""
    check(any(attempt() for _ in range(TRIES)), text)


def line_of(stream):
    """The next line, or nothing when there is none yet."""
    ready = select.select([stream], [], [], 0)[0]
    return stream.readline() if ready else ""


def links_up(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii") as file:
        whole = [line for line in file if line.endswith("\n")]
    return [link["name"] for link in json.loads(whole[-1])["links"] if link["up"]] if whole else []


class Served:
    """A `plait serve` in the host's namespace, with clients in the other one."""

    def __init__(self, lab, *arguments):
        self.lab = lab
        self.figures = os.path.join(lab.dir, "served")
        words = ["ip", "netns", "exec", lab.host, lab.plait, "serve", f"--json={self.figures}"]
        self.process = subprocess.Popen([*words, *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, cwd=lab.dir,
                                        start_new_session=True)  # fmt: skip

    def __enter__(self):
        try:
            wait_until(self.listens, "plait serve does not listen")
        except Failed:
            self.process.kill()
            raise Failed(f"plait serve: {self.process.communicate()[1]}") from None
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=SECONDS)

    def listens(self):
        check(self.process.poll() is None, "has ended")
        rules = shell(["ip", "netns", "exec", self.lab.host, "nft", "list", "ruleset"]).stdout
        return "chain serve" in rules

    def end(self):
        """Ends it as is usual; what it has to say of itself."""
        self.process.terminate()
        self.process.communicate(timeout=SECONDS)
        check(self.process.returncode == 0, f"ends with {self.process.returncode}")
        with open(self.figures, encoding="ascii") as file:
            return json.load(file)

    def said(self):
        """What it says on stderr from its start to its end."""
        with self:
            pass
        return self.process.communicate()[1]

    def ask(self, *arguments, mptcp=True):
        words = ["ip", "netns", "exec", self.lab.net, *PEER, *arguments]
        done = shell(words, env={**os.environ, "PEER_MPTCP": "1" if mptcp else ""})
        check(done.returncode == 0, f"{arguments}: {done.stderr.strip()[-300:]}")
        return done.stdout.strip()


def stop(process):
    process.kill()
    process.communicate()
