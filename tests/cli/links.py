"""Cases of `plait run`: links that die, come, go and change."""

import json
import os
import shutil
import signal
import subprocess
import time

from lab import (
    PEER,
    SECONDS,
    SERVER,
    Served,
    check,
    links_up,
    must,
    shell,
    stop,
    wait_until,
)


def case_link_dies(lab):
    """A download over Multipath TCP survives the loss of a link, which is used again after."""
    for i in (1, 2):
        must(f"tc -n {lab.net} qdisc replace dev l{i} root tbf rate 24mbit burst 20k latency 60ms")
    path = os.path.join(lab.dir, "progress")
    process = lab.start("--progress", path, "--", *PEER, "get", SERVER, "8001", "16000000")
    try:
        wait_until(lambda: received(path) > 1000000, "nothing comes over eth1")
        must(f"ip -n {lab.host} link set eth1 down")
        wait_until(lambda: "eth1" not in links_up(path), "eth1 is still used")
        must(f"ip -n {lab.host} link set eth1 up")
        must(f"ip -n {lab.host} addr replace fd01::2/64 dev eth1 nodad")
        lab.route(1)
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        for i in (1, 2):
            must(f"tc -n {lab.net} qdisc del dev l{i} root")
    check(out == "16000000\n", f"{out} {err}")
    with open(path, encoding="ascii") as file:
        lines = [json.loads(line) for line in file]
    up = [line["links"][0]["up"] for line in lines]
    check(False in up and up[-1], f"eth1 up: {up}")
    again = len(up) - 1 - up[::-1].index(False)
    gained = lines[-1]["links"][0]["rx_bytes"] - lines[again]["links"][0]["rx_bytes"]
    check(gained > 500000, f"only {gained} bytes over eth1 after it came back")


def case_first_link_dead(lab):
    """A connection starts on the second link when the first one, which looks well, answers to
    nothing: the program waits a second, where the kernel's own would wait for ever."""
    nft = f"ip netns exec {lab.net} nft".split()
    path = os.path.join(lab.dir, "dead")
    must([*nft, "add table ip silence"])
    try:
        must([*nft, "add chain ip silence in { type filter hook input priority 0; }"])
        must([*nft, "add rule ip silence in iifname l1 drop"])
        plain = ["ip", "netns", "exec", lab.host, "timeout", "2", *PEER, "get", SERVER, "8000", "1"]
        check(shell(plain).returncode == 124, "eth1 answers")
        for port in ("8000", "8001"):
            got = lab.ask("get", SERVER, port, "3000000", before=[f"--json={path}"])
            check(got == "3000000", f"{port}: {got}")
            with open(path, encoding="ascii") as file:
                figures = json.load(file)
            taken = {link["name"]: link["bytes_in"] for link in figures["links"]}
            check(taken["eth2"] > 3000000 and taken["eth1"] == 0, figures)
            check(figures["mptcp_connections"] == (port == "8001"), figures)
    finally:
        must([*nft, "delete table ip silence"])


def case_address_changes(lab):
    """A link that gets another address goes on carrying: with new subflows from that one."""
    for i in (1, 2):
        must(f"tc -n {lab.net} qdisc replace dev l{i} root tbf rate 24mbit burst 20k latency 60ms")
    path = os.path.join(lab.dir, "renumbered")
    process = lab.start("-d", "--progress", path, "--", *PEER, "get", SERVER, "8001", "16000000")
    try:
        wait_until(lambda: received(path) > 1000000, "nothing comes over eth1")
        must(f"ip -n {lab.host} addr del 10.1.0.2/24 dev eth1")
        must(f"ip -n {lab.host} addr add 10.1.0.7/24 dev eth1")
        lab.route(1)
        before = received(path)
        out, err = process.communicate(timeout=SECONDS)
        check(out == "16000000\n", f"{out} {err}")
        check(err.count("subflow over eth1 established") >= 2, f"no new subflow: {err}")
        check(received(path) - before > 1000000, f"{received(path) - before} bytes over eth1 since")
        check(lab.ask("udp", SERVER) == "10.1.0.7", "the new address is not used")
    finally:
        process.kill()
        for i in (1, 2):
            must(f"tc -n {lab.net} qdisc del dev l{i} root")
        must(f"ip -n {lab.host} addr del 10.1.0.7/24 dev eth1")
        must(f"ip -n {lab.host} addr add 10.1.0.2/24 dev eth1")
        lab.route(1)


def received(path):
    """What --progress said last about eth1."""
    if not os.path.exists(path):
        return 0
    with open(path, encoding="ascii") as file:
        whole = [line for line in file if line.endswith("\n")]
    return json.loads(whole[-1])["links"][0]["rx_bytes"] if whole else 0


def case_udp_moves(lab):
    """UDP moves to another link when its link loses carrier, and TCP's paths tell of silence."""
    process = lab.start("--", *PEER, "udploop", SERVER, "10.2.0.2")
    try:
        check(process.stdout.readline() == "10.1.0.2\n", "not over eth1")
        must(f"ip -n {lab.net} link set l1 down")
        out, err = process.communicate(timeout=SECONDS)
        check(out.endswith("10.2.0.2\n"), out + err)
    finally:
        process.kill()
        must(f"ip -n {lab.net} link set l1 up")
        must(f"ip -n {lab.net} addr replace fd01::1/64 dev l1 nodad")
    wait_until(lambda: "10.1.0.2" in lab.ask("udp", SERVER), "eth1 does not come back")
    drop = f"ip netns exec {lab.net} nft"
    must(f"{drop} add table ip silence")
    process = lab.start("--progress", os.path.join(lab.dir, "silence"), "--", "sh", "-c",
                        " ".join(PEER) + f" get {SERVER} 8001 2000000000 & " +
                        " ".join(PEER) + f" udploop {SERVER} 10.2.0.2")  # fmt: skip
    try:
        check(process.stdout.readline() == "10.1.0.2\n", "not over eth1")
        time.sleep(0.5)
        must(drop.split() + ["add chain ip silence in { type filter hook input priority 0; }"])
        must(drop.split() + ["add rule ip silence in iifname l1 drop"])
        wait_until(lambda: process.stdout.readline() == "10.2.0.2\n", "UDP stays on a dead link")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        must(f"{drop} delete table ip silence")
        process.communicate()


def case_firewall(lab):
    """A firewall that would drop everything is named."""
    must(["ip", "netns", "exec", lab.host, "nft", "add", "table", "ip", "wall"])
    try:
        must(["ip", "netns", "exec", lab.host, "nft", "add chain ip wall closed "
              "{ type filter hook forward priority 0; policy drop; }"])  # fmt: skip
        done = lab.run("true")
        check(done.returncode == 0 and "table ip wall, chain closed" in done.stderr, done.stderr)
    finally:
        must(["ip", "netns", "exec", lab.host, "nft", "delete", "table", "ip", "wall"])
    check(lab.run("true").stderr == "", "a warning without a reason")


def case_vpn(lab):
    """Where policy rules send everything by one interface, the program goes there too."""
    lab.join(3)
    must(f"ip -n {lab.host} route del default dev eth3")
    must(f"ip -n {lab.host} -6 route del default dev eth3")
    must(f"ip -n {lab.host} route add default via 10.3.0.1 dev eth3 table 77")
    process = lab.start("--", *PEER, "udploop", SERVER, "10.3.0.2")
    try:
        check(process.stdout.readline() == "10.1.0.2\n", "not over eth1")
        must(f"ip -n {lab.host} rule add pref 1000 lookup 77")
        out, err = process.communicate(timeout=SECONDS)
        check(out.endswith("10.3.0.2\n"), f"UDP does not follow: {out} {err}")
        for action, port in (("who", "8000"), ("who", "8001"), ("udp", "5353")):
            got = lab.ask(action, SERVER, port)
            check(got == "10.3.0.2", f"{action} {port} around the VPN: {got}")
        path = os.path.join(lab.dir, "figures")
        lab.ask("get", SERVER, "8001", "1000000", before=[f"--json={path}"])
        with open(path, encoding="ascii") as file:
            names = [link["name"] for link in json.load(file)["links"]]
        check(names == ["eth3"], f"links: {names}")
        err = Served(lab, "--listen", "9000").said()
        check("by eth3" in err and "taken from there only" in err, f"serve: {err}")
    finally:
        process.kill()
        shell(f"ip -n {lab.host} rule del pref 1000")
        must(f"ip -n {lab.host} link del eth3")


def case_new_link(lab):
    """A link that gets a default route later is used, one that vanishes is not missed."""
    path = os.path.join(lab.dir, "new-link")
    process = lab.start("--progress", path, "--", "sleep", "100")
    try:
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, "no progress")
        lab.join(3, metric=50)
        wait_until(lambda: "eth3" in links_up(path), "eth3 is not used")
        must(f"ip -n {lab.host} link del eth3")
        wait_until(lambda: "eth3" not in links_up(path), "eth3 is still used")
    finally:
        process.terminate()
        process.communicate()


def case_lost_notifications(lab):
    """More changes at once than the kernel keeps for us: links are followed after it as before."""
    storm = "addr add 10.99.0.1/32 dev lo\naddr del 10.99.0.1/32 dev lo\n" * 2000
    path = os.path.join(lab.dir, "lost")
    process = lab.start("--progress", path, "--", "sleep", "100")
    try:
        lab.wait_for_start(process)
        process.send_signal(signal.SIGSTOP)
        done = shell(["ip", "-n", lab.host, "-batch", "-"], input=storm)
        check(done.returncode == 0, done.stderr)
        size = os.path.getsize(path)
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: os.path.getsize(path) > size, "does not go on")
        lab.join(3)
        wait_until(lambda: "eth3" in links_up(path), "eth3 is not used")
    finally:
        stop(process)
        shell(f"ip -n {lab.host} link del eth3")
    lab.run("true")


def case_capture(lab):
    """--pcap: tshark reads it, finds both sides and no bad checksum."""
    if not shutil.which("tshark"):
        return "no tshark"
    path = os.path.join(lab.dir, "capture.pcapng")
    lab.ask("get", SERVER, "8001", "3000000", before=["--pcap", path])
    out = must(["tshark", "-r", path, "-o", "tcp.check_checksum:TRUE", "-T", "fields", "-e",
                "frame.interface_name", "-e", "tcp.checksum.status", "-e", "ip.len"])  # fmt: skip
    rows = [line.split("\t") for line in out.splitlines()]
    check({row[0] for row in rows} == {"inner", "eth1", "eth2"}, f"{ {row[0] for row in rows} }")
    check(all(row[1] in ("1", "") for row in rows), "bad checksums")
    check(max(int(row[2] or 0) for row in rows) > 10000, "no large segments")
    return None


def case_resolver(lab):
    """A resolver on the host's loopback is reached through the host's end of the pair."""
    lab.made_etc_netns = not os.path.exists("/etc/netns")
    os.makedirs(lab.resolv)
    with open(os.path.join(lab.resolv, "resolv.conf"), "w", encoding="ascii") as file:
        file.write("# local\nnameserver 127.0.0.53\nsearch example.net\n")
    answer = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
              "s.bind(('127.0.0.53', 53)); print('ready', flush=True); d, a = s.recvfrom(99);"
              "s.sendto(b'answer', a)")  # fmt: skip
    server = subprocess.Popen(["ip", "netns", "exec", lab.host, "/usr/bin/python3", "-c", answer],
                              stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        check(server.stdout.readline() == "ready\n", "no resolver")
        out = lab.run("sh", "-c", "cat /etc/resolv.conf; " + " ".join(PEER) +
                      " udp $(sed -n 's/nameserver //p' /etc/resolv.conf) 53")  # fmt: skip
        check("search example.net" in out.stdout, out.stdout)
        check("127.0.0.53" not in out.stdout, out.stdout)
        check(out.stdout.endswith("answer\n"), out.stdout + out.stderr)
    finally:
        server.kill()
        server.communicate()
