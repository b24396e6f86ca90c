"""Cases of `plait serve`, and of names and devices that both commands meet."""

import os
import re
import signal
import subprocess

from lab import (
    PEER,
    SECONDS,
    SERVER,
    Served,
    check,
    in_some_try,
    line_of,
    links_up,
    must,
    same,
    shell,
    stop,
    wait_until,
)


def counters(lab):
    """What the kernel of the clients counted."""
    words = ["ip", "netns", "exec", lab.net, "grep", "^MPTcpExt:", "/proc/net/netstat"]
    names, values = must(words).splitlines()
    return {n: int(v) for n, v in zip(names.split()[1:], values.split()[1:])}


def service(lab):
    """A service of the host, of loopback only."""
    words = ["ip", "netns", "exec", lab.host, *PEER, "serve", "127.0.0.1"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=lab.dir, text=True)
    check(process.stdout.readline() == "ready\n", "the service does not start")
    return process


def transfer_served(lab, address, mptcp):
    """One exchange with a client of the kernel; whether it used both links."""
    before = counters(lab)
    with Served(lab, "--listen", "9000", "--to", "8000") as served:
        got = served.ask("swap", address, "9000", "9000000", mptcp=mptcp)
        figures = served.end()
    after = counters(lab)
    check(got == "9000000", got)
    check(figures["connections"] == figures["connected"] == 1, figures)
    check(figures["mptcp_connections"] == mptcp, figures)
    check(figures["fallbacks"] == (not mptcp), figures)
    check(figures["up_bytes"] == 9000000, figures)
    gained = {name: after[name] - before[name] for name in after}
    check(mptcp or gained["MPJoinSynAckRx"] == 0, f"joins: {gained}")
    for name in ("MPCapableFallbackSYNACK", "DSSNotMatching", "DataCsumErr",
                 "MPJoinSynAckHMacFailure", "AddAddrDrop"):  # fmt: skip
        check(gained[name] == 0, f"{name}: {gained[name]}")
    used = [link["name"] for link in figures["links"] if link["bytes_out"] > 100000]
    return gained["MPJoinSynAckRx"] > 0 and used == ["eth1", "eth2"]


def case_serve_transfer(lab):
    """The kernel's Multipath TCP client and a plain one, v4 and v6: every byte, both ways."""
    server = service(lab)
    try:
        for address in ("10.1.0.2", "fd02::2"):
            transfer_served(lab, address, False)
            in_some_try(lambda: transfer_served(lab, address, True), f"{address}: not both links")
    finally:
        stop(server)


def case_serve_program(lab):
    """A program that listens on its own network sees its clients; its status is plait's."""
    program = [*PEER, "serve", "::"]
    with Served(lab, "--listen", "8000", "--", *program) as served:
        wait_until(lambda: connects(lab, "10.1.0.2", 8000), "the program does not listen")
        for address, seen in (("10.1.0.2", "::ffff:10.1.0.1"), ("fd02::2", "fd02::1")):
            check(served.ask("who", address, "8000") == seen, f"{address}: no {seen}")
            check(served.ask("who", address, "8000", mptcp=False) == seen, f"{address}: no {seen}")
            check(served.ask("swap", address, "8000", "5000000") == "5000000", "not whole")
        os.kill(served.process.pid, signal.SIGTERM)
        check(served.process.wait(timeout=SECONDS) == -signal.SIGTERM, "not the program's end")
    done = shell(["ip", "netns", "exec", lab.host, lab.plait, "serve", "--listen", "1", "--", "sh",
                  "-c", "exit 7"])  # fmt: skip
    check(done.returncode == 7, f"status {done.returncode}")


def case_versions(lab):
    """Both ends speak the versions they are told to; the kernel knows version 1 only."""
    server = service(lab)
    path = os.path.join(lab.dir, "figures")
    try:
        for ours, theirs, mptcp in (("0", "0", True), ("1,0", "0", True), ("0", "1", False),
                                    ("1,0", None, True), ("0", None, False)):
            with Served(lab, "--mptcp-version", ours, "--listen", "9000", "--to", "8000") as served:
                if theirs is None:
                    got = served.ask("swap", "10.1.0.2", "9000", "300000")
                else:
                    words = ["ip", "netns", "exec", lab.net, lab.plait, "run", "--link", "l1",
                             "--mptcp-version", theirs, f"--json={path}", "--"]
                    got = must_say([*words, *PEER, "swap", "10.1.0.2", "9000", "300000"])
                figures = served.end()
            what = f"server {ours}, client {theirs or 'kernel'}: {figures}"
            check(got == "300000", f"{got}: {what}")
            check(figures["mptcp_connections"] == mptcp, what)
            check(figures["fallbacks"] == (not mptcp), what)
    finally:
        stop(server)


def must_say(words):
    done = shell(words)
    check(done.returncode == 0, done.stderr.strip()[-300:])
    return done.stdout.strip()


def connects(lab, address, port):
    words = f"import socket; socket.create_connection(('{address}', {port}), 1)"
    inside = ["ip", "netns", "exec", lab.net, "/usr/bin/python3", "-c", words]
    return shell(inside).returncode == 0


def case_serve_ends(lab):
    """Half-closes, resets and refusals of the service reach the client as themselves."""
    server = service(lab)
    try:
        with Served(lab, "--listen", "9000", "--to", "127.0.0.1:8000") as served:
            for mptcp in (True, False):
                seen = served.ask("ends", "10.2.0.2", "9000", mptcp=mptcp)
                check(seen == "half early reset refused", f"mptcp {mptcp}: only {seen}")
            check(served.ask("many", "10.1.0.2", "9000", "300") == "300 right", "not all")
    finally:
        stop(server)
    with Served(lab, "--listen", "9000", "--to", "8000"):
        words = ["ip", "netns", "exec", lab.net, "curl", "-sS", "http://10.1.0.2:9000/"]
        check(shell(words).returncode == 7, "not refused")


def case_serve_places(lab):
    """One address only; a service on another host; who the client is, by the PROXY protocol."""
    for address, lines in (("10.1.0.2", 0), ("[fd02::2]", 0), ("10.1.0.3", 1), ("[fd02::3]", 1)):
        err = Served(lab, "--listen", f"{address}:9000").said()
        check(err.count("\n") == err.count("no interface has") == lines, f"{address}: {err}")
    with Served(lab, "--listen", "10.1.0.2:9000", "--to", f"{SERVER}:8000") as served:
        check(served.ask("swap", "10.1.0.2", "9000", "3000000") == "3000000", "not whole")
        check(served.ask("who", "10.1.0.2", "9000") == "10.1.0.2", "not masqueraded")
        check(not connects(lab, "10.2.0.2", 9000), "another address is listened on, too")
    server = service(lab)
    try:
        arguments = ("--listen", "9000", "--to", "127.0.0.1:8000", "--proxy-protocol")
        with Served(lab, *arguments) as served:
            for address, kind in (("10.2.0.2", "TCP4"), ("fd01::2", "TCP6")):
                line = served.ask("proxied", address, "9000").split()
                client, port = line[-2:]
                want = ["PROXY", kind, client, address, port, "9000", client, port]
                check(line == want, f"{line} instead of {want}")
            check(served.ask("swap", "10.1.0.2", "9000", "3000000") == "3000000", "not whole")
    finally:
        stop(server)


def case_odd_names(lab):
    """Interfaces whose names would mean something else in a rule are refused."""
    before = lab.snapshot()
    for name in ("odd*", 'odd"'):
        must(["ip", "-n", lab.host, "link", "add", name, "type", "veth", "peer", "name", "odd"])
        must(["ip", "-n", lab.host, "addr", "add", "203.0.113.1/24", "dev", name])
        must(["ip", "-n", lab.host, "link", "set", name, "up"])
        for words in (["run", "--link", name, "true"],
                      ["serve", "--listen", "9000", "--to", "203.0.113.9:80"]):  # fmt: skip
            process = subprocess.Popen(["ip", "netns", "exec", lab.host, lab.plait, *words],
                                       stderr=subprocess.PIPE, text=True)  # fmt: skip
            try:
                err = process.communicate(timeout=SECONDS)[1]
            except subprocess.TimeoutExpired:
                process.kill()
                err = "runs " + process.communicate()[1]
            check(process.returncode == 125 and "of this name" in err, f"{name} {words}: {err}")
        must(["ip", "-n", lab.host, "link", "del", "odd"])
    same(before, lab, "left")


def case_refused_links(lab):
    """An interface that cannot be a link is told of once, and hides no other."""
    host = lab.host
    before = lab.snapshot()

    def odd(where):
        must(["ip", "-n", where, "link", "add", "odd*", "type", "veth", "peer", "name", "odd"])
        must(["ip", "-n", where, "link", "set", "odd*", "up"])
        must(["ip", "-n", where, "route", "add", "default", "dev", "odd*", "metric", "10"])

    odd(lab.net)
    done = shell(["ip", "netns", "exec", lab.net, lab.plait, "run", "true"])
    must(["ip", "-n", lab.net, "link", "del", "odd*"])
    check(done.returncode == 125 and "default route" not in done.stderr, done.stderr)
    check(done.stderr.count("\n") == 1 and "of this name" in done.stderr, done.stderr)
    odd(host)
    path = os.path.join(lab.dir, "refused")
    process = lab.start("--progress", path, "--", "sleep", "100")
    try:
        lab.wait_for_start(process)
        lab.join(3)
        wait_until(lambda: links_up(path) == ["eth1", "eth2", "eth3"], "eth3 is not used")
        process.terminate()
        err = process.communicate()[1]
        check(err.count("of this name") == err.count("\n") == 1, f"not once: {err}")
    finally:
        stop(process)
        must(["ip", "-n", host, "link", "del", "odd*"])
        must(f"ip -n {host} link del eth3")
    same(before, lab, "left")


def case_device_in_the_way(lab):
    """A link whose device cannot be made takes no slot; the next one gets it."""
    host = lab.host
    before = lab.snapshot()
    path = os.path.join(lab.dir, "in-the-way")
    process = lab.start("--progress", path, "--", "sleep", "100")
    try:
        lab.wait_for_start(process)
        names = re.findall(r"(plait\d+_)1", must(f"ip -n {host} -br link"))
        check(len(names) == 1, f"{names}")
        must(f"ip -n {host} link add {names[0]}2 type veth peer name way")
        lab.join(3)
        wait_until(lambda: "eth3" in line_of(process.stderr), "not told of")
        must(f"ip -n {host} link del {names[0]}2")
        lab.join(4)
        wait_until(lambda: links_up(path) == ["eth1", "eth2", "eth4"], "eth4 is not used")
        check(f"{names[0]}2" in must(f"ip -n {host} -br link"), "the slot is not used")
        process.terminate()
        check(process.communicate()[1] == "", "told of more than once")
    finally:
        stop(process)
        for i in (3, 4):
            shell(f"ip -n {host} link del eth{i}")
    same(before, lab, "left")


def case_many_names(lab):
    """Interfaces that get ever new names do not use up the slots; those of living links stay."""
    before = lab.snapshot()
    path = os.path.join(lab.dir, "many-names")

    def batch(lines):
        done = shell(["ip", "-n", lab.host, "-batch", "-"], input="\n".join(lines) + "\n")
        check(done.returncode == 0, done.stderr)

    def uplinks(numbers):
        batch([f"link add up{i} type veth peer name far{i}\nlink set far{i} up\n"
               f"addr add 10.9.{i}.2/24 dev up{i}\nlink set up{i} up\n"
               f"route add default dev up{i} metric {500 + i}" for i in numbers])  # fmt: skip
        wanted = sorted(["eth1", "eth2", *(f"up{i}" for i in numbers)])
        wait_until(lambda: sorted(links_up(path)) == wanted, f"not used: {numbers}")

    with Served(lab, "--listen", "9000", "--to", f"{SERVER}:8000", "--progress", path) as served:
        for numbers in (range(58), range(60, 118)):
            uplinks(numbers)
            batch([f"link del up{i}" for i in numbers])
            wait_until(lambda: links_up(path) == ["eth1", "eth2"], "still used")
        uplinks([0, 60, 120])
        check(served.ask("swap", "10.2.0.2", "9000", "3000000") == "3000000", "not whole")
        batch([f"link del up{i}" for i in (0, 60, 120)])
    same(before, lab, "left")


def case_serve_by_link(lab):
    """One port can be served twice, by different links; nobody comes in by the wrong one."""
    before = lab.snapshot()
    server = service(lab)
    words = ["ip", "netns", "exec", lab.host, lab.plait, "serve", "--listen", "9000"]
    try:
        with Served(lab, "--link", "eth1", "--listen", "9000", "--to", "8000") as first:
            for more in ([], ["--link", "eth1"], ["--link", "eth2", "--link", "eth1"]):
                done = shell([*words, *more])
                check(done.returncode == 125 and "already" in done.stderr, f"{more} {done.stderr}")
            second = subprocess.Popen([*words, "--link", "eth2", "--to", "8000"],
                                      stderr=subprocess.PIPE, text=True)  # fmt: skip
            try:
                wait_until(lambda: connects(lab, "10.2.0.2", 9000), "eth2 is not served")
                for address in ("10.1.0.2", "10.2.0.2"):
                    got = first.ask("swap", address, "9000", "3000000")
                    check(got == "3000000", f"{address}: not whole")
                links = [link for link in first.end()["links"] if link["bytes_in"] > 0]
                check([link["name"] for link in links] == ["eth1"], f"{links}")
            finally:
                second.terminate()
                second.communicate(timeout=SECONDS)
    finally:
        stop(server)
    same(before, lab, "left")


def case_serve_cleanup(lab):
    """Nothing is left after signals, nor after a kill and another start; a port is served once."""
    before = lab.snapshot()
    for number in (signal.SIGTERM, signal.SIGINT):
        with Served(lab, "--listen", "9000", "--to", f"{SERVER}:80") as served:
            second = shell(["ip", "netns", "exec", lab.host, lab.plait, "serve", "--listen",
                            "10.1.0.2:9000"])  # fmt: skip
            check(second.returncode == 125 and "9000" in second.stderr, second.stderr)
            check(second.stderr.count("\n") == 1, second.stderr)
            served.process.send_signal(number)
            check(served.process.wait(timeout=SECONDS) == 0, f"signal {number}")
        same(before, lab, f"left after signal {number}")
    with Served(lab, "--listen", "9000") as served:
        served.process.kill()
        served.process.wait()
        check(lab.snapshot() != before, "a killed plait left nothing: this test tests nothing")
    lab.run("true")
    same(before, lab, "left after a kill")


def case_serve_usage(lab):
    """Wrong usage: one line that helps, exit status 2."""
    wrong = ("", "--listen", "--listen 0", "--listen host:80", "--listen 0.0.0.0:80",
             "--listen [::]:80", "--listen 127.0.0.1:80", "--listen 80 --to x:y",
             "--listen 80 --to ::1:80", "--listen 80 --to [::1]:80", "--listen 80 --frob",
             "--listen 80 --link nosuch", "--listen 80 --mptcp-version 2",
             "--listen 80 --to 81 -- true", "-- true",
             "--listen 80 --proxy-protocol -- true")  # fmt: skip
    for line in wrong:
        done = shell(["ip", "netns", "exec", lab.host, lab.plait, "serve", *line.split()])
        check(done.returncode == 2, f"{line}: status {done.returncode}")
        check(done.stderr.count("\n") == 1, f"{line}: {done.stderr!r}")
        check(done.stderr.startswith("plait: serve: "), f"{line}: {done.stderr!r}")
    done = shell([lab.plait, "help", "serve"])
    check(done.returncode == 0 and "--listen" in done.stdout, "no help")
    nested = lab.run("--", lab.plait, "serve", "--listen", "80")
    check(nested.returncode == 2 and nested.stderr.count("\n") == 1, nested.stderr)
