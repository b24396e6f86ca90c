"""Cases of `plait run`: programs, what they see, and what they leave behind."""

import json
import os
import signal
import subprocess
import threading

from lab import (
    PEER,
    SECONDS,
    SERVER,
    SERVER6,
    check,
    in_some_try,
    must,
    same,
    shell,
    wait_until,
)


def case_usage(lab):
    """Wrong usage: one line that helps, exit status 2."""
    wrong = ([], ["--link"], ["--frob", "true"], ["--link", "nosuch", "true"],
             ["--link", "a-name-much-too-long", "true"], ["--mptcp-version", "2", "true"])
    for arguments in wrong:
        done = lab.run(*arguments)
        check(done.returncode == 2, f"{arguments}: status {done.returncode}")
        check(done.stderr.count("\n") == 1, f"{arguments}: {done.stderr!r}")
        check(done.stderr.startswith("plait: run: "), f"{arguments}: {done.stderr!r}")
    for line in ("", "nosuch", "help nosuch", "version more", "sim", "sim run --seeds 5",
                 "sim run --count", "lab", "lab demo --bytes", "lab demo --frob", "lab demo -x",
                 "lab demo more"):  # fmt: skip
        done = shell([lab.plait, *line.split()])
        check(done.returncode == 2, f"{line}: status {done.returncode}")
        check(done.stderr.count("\n") == 1 and "`plait " in done.stderr, f"{line}: {done.stderr!r}")
    for line in ("help run", "help lab", "help sim", "help help", "help --help"):
        done = shell([lab.plait, *line.split()])
        check(done.returncode == 0 and "usage: plait" in done.stdout, f"{line}: {done.stdout!r}")
    check("--link" in lab.run("--help").stdout, "--help says nothing")
    check(shell([lab.plait, "version"]).stdout.startswith("plait "), "no version")


def case_rights(lab):
    """Without the right to: one line, exit status 2."""
    done = shell(["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534",
                  "--clear-groups", lab.plait, "run", "true"])  # fmt: skip
    check(done.returncode == 2 and "root" in done.stderr, done.stderr)
    check(done.stderr.count("\n") == 1, done.stderr)


def case_exit_status(lab):
    """The program's exit status or signal is plait's."""
    for script, want in (("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", -15), ("kill -9 $$", -9)):
        done = lab.run("sh", "-c", script)
        check(done.returncode == want, f"{script}: {done.returncode} {done.stderr}")
    done = lab.run("/no/such/program")
    check(done.returncode == 127 and "/no/such/program" in done.stderr, done.stderr)
    done = lab.run("/etc/passwd")
    check(done.returncode == 126, f"not executable: {done.returncode}")


def case_surroundings(lab):
    """Standard input and output, environment, directory, arguments and descriptors stay."""
    done = lab.run("cat", input="some text")
    check(done.stdout == "some text", done.stdout)
    done = lab.run("--", "sh", "-c", 'echo "$1|$2|$MARK|$PWD"; echo err >&2', "x", "a b", "--json",
                   cwd=lab.dir, env={**os.environ, "MARK": "m"})  # fmt: skip
    check(done.stdout == f"a b|--json|m|{lab.dir}\n", done.stdout)
    check(done.stderr == "err\n", done.stderr)
    listing = ["sh", "-c", "ls /proc/self/fd; grep -E 'SigBlk|SigIgn' /proc/self/status; id"]
    inside = lab.run(*listing).stdout
    outside = shell(["ip", "netns", "exec", lab.host, *listing]).stdout
    check(inside == outside, f"{inside!r} instead of {outside!r}")


def transfer(lab, address, port):
    """One download; the links that carried it."""
    path = os.path.join(lab.dir, "figures")
    got = lab.ask("get", address, str(port), "9000000", before=[f"--json={path}"])
    check(got == "9000000", got)
    with open(path, encoding="ascii") as file:
        figures = json.load(file)
    check(figures["connections"] == 1, figures)
    check(figures["mptcp_connections"] == (port == 8001), figures)
    check(figures["fallbacks"] == (port == 8000), figures)
    check(figures["down_bytes"] == 9000000, figures)
    check([link["name"] for link in figures["links"]] == ["eth1", "eth2"], figures)
    return [link["name"] for link in figures["links"] if link["bytes_in"] > 100000]


def case_transfer(lab):
    """Bytes arrive as they were sent, from a server with and without Multipath TCP, v4 and v6."""
    for address in (SERVER, SERVER6):
        transfer(lab, address, 8000)
        in_some_try(lambda: "eth2" in transfer(lab, address, 8001), "eth2 was not used")


def case_curl(lab):
    """curl gets a page; a refused connection looks refused and an unanswered one times out."""
    url = f"http://{SERVER}:8000/"
    words = ["ip", "netns", "exec", lab.net, "/usr/bin/python3", "-m", "http.server", "--bind",
             SERVER, "8080"]  # fmt: skip
    with open(os.path.join(lab.dir, "page"), "w", encoding="ascii") as file:
        file.write("a page\n")
    server = subprocess.Popen(words, cwd=lab.dir, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        url = f"http://{SERVER}:8080/page"
        wait_until(lambda: shell(["ip", "netns", "exec", lab.host, "curl", "-s", url]).stdout,
                   "the web server does not start")  # fmt: skip
        check(lab.run("curl", "-sS", url).stdout == "a page\n", "no page")
    finally:
        server.kill()
        server.wait()
    refused = lab.run("curl", "-sS", "-m", "30", f"http://{SERVER}:81/").returncode
    check(refused == 7, f"not refused: curl says {refused}")  # a time-out is 28
    must(f"ip -n {lab.net} route add blackhole 203.0.113.0/24")
    done = lab.run("curl", "-sS", "-m", "1", "http://203.0.113.5/")
    check(done.returncode in (7, 28), f"no answer: curl says {done.returncode}")


def case_static(lab):
    """A static program goes over the links as well, and so do its children."""
    program = os.path.join(os.path.dirname(lab.plait), "tests", "cli", "cli-static")
    if not os.access(program, os.X_OK):
        return "no static programs here"
    path = os.path.join(lab.dir, "figures")
    done = lab.run(f"--json={path}", "--", program, SERVER, "8001", "3000000")
    check(done.stdout == "3000000\n", done.stdout + done.stderr)
    with open(path, encoding="ascii") as file:
        check(json.load(file)["mptcp_connections"] == 1, "not over plait")
    return None


def case_ends(lab):
    """Ends of streams, resets and refusals reach the program, behind what came before them."""
    for address in (SERVER, SERVER6):
        for port in ("8000", "8001"):
            seen = lab.ask("ends", address, port)
            check(seen == "half early reset refused", f"{address} {port}: only {seen}")


def case_udp_and_ping(lab):
    """UDP and ICMP echo go over the best link; TCP cannot take their way."""
    check(lab.ask("udp", SERVER) == "10.1.0.2", "not over eth1")
    check(lab.ask("udp", SERVER6) == "fd01::2", "not over eth1 (IPv6)")
    for address in (SERVER, SERVER6):
        check(lab.ask("ping", address) == "pong", f"{address}: no echo")
    check(lab.ask("past", SERVER, "8000").startswith("blocked"), "TCP got out past plait")


def case_chosen_link(lab):
    """Nothing leaves by a link that was not chosen, whatever the main table says."""
    for action, port in (("who", "8000"), ("who", "8001"), ("udp", "5353")):
        got = lab.ask(action, SERVER, port, before=["--link", "eth2"])
        check(got == "10.2.0.2", f"{action} {port}: {got}")
    must(f"ip -n {lab.host} link set eth2 down")
    try:
        done = lab.run("--link", "eth2", "--", *PEER, "udp", SERVER, "5353", "1")
        check(done.returncode != 0, "UDP left by another link")
        done = lab.run("--link", "eth2", "curl", "-sS", "-m", "1", f"http://{SERVER}:8000/")
        check(done.returncode in (7, 28), "TCP left by another link")
    finally:
        must(f"ip -n {lab.host} link set eth2 up")
        must(f"ip -n {lab.host} addr replace fd02::2/64 dev eth2 nodad")
        lab.route(2)


def case_cleanup(lab):
    """Nothing is left: after the end, after signals, and after the next start when killed."""
    before = lab.snapshot()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process = lab.start("sleep", "100")
        lab.wait_for_start(process)
        process.send_signal(number)
        check(process.wait(timeout=SECONDS) == -number, f"signal {number}: {process.returncode}")
        process.communicate()
        same(before, lab, f"left after signal {number}")
    files = lab.state_files()
    process = lab.start("sleep", "100")
    lab.wait_for_start(process)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, but not buried
    check(lab.snapshot() != before, "a killed plait left nothing: this test tests nothing")
    lab.run("true")
    same(before, lab, "left after a kill")
    process.communicate()
    check(lab.state_files() == files, f"state files: {lab.state_files()}")


def case_cleanup_elsewhere(lab):
    """Leftovers are found in the namespace in which they are."""
    before = lab.snapshot()
    process = lab.start("sleep", "100")
    lab.wait_for_start(process)
    process.kill()
    process.communicate()
    done = shell(["ip", "netns", "exec", lab.net, lab.plait, "run", "--link", "l1", "true"])
    check(done.returncode == 0, done.stderr)
    same(before, lab, "left after a kill")


def case_cleanup_order(lab):
    """What a killed plait changed last is restored first, and a file it was writing is removed."""
    inside = f"ip netns exec {lab.host} sysctl -n"
    dead = subprocess.Popen(["true"])
    dead.wait()
    os.makedirs("/run/plait", mode=0o755, exist_ok=True)
    with open(f"/run/plait/{dead.pid}.json.new", "w", encoding="ascii") as file:
        file.write("{")
    # The one for all sets that of every interface when it changes.
    must(f"ip netns exec {lab.host} sysctl -qw net.ipv4.conf.all.forwarding=1")
    state = {"pid": dead.pid, "start": 1, "instance": 255,
             "netns": os.stat(f"/run/netns/{lab.host}").st_ino,
             "sysctls": {"net/ipv4/conf/all/forwarding": "0",
                         "net/ipv4/conf/eth1/forwarding": "1"}}  # fmt: skip
    with open(f"/run/plait/{dead.pid}.json", "w", encoding="ascii") as file:
        json.dump(state, file)
    lab.run("true")
    left = [name for name in lab.state_files() if name.startswith(str(dead.pid))]
    check(not left, f"left: {left}")
    check(must(f"{inside} net.ipv4.conf.all.forwarding") == "0\n", "not restored")
    check(must(f"{inside} net.ipv4.conf.eth1.forwarding") == "0\n", "not in the right order")


def case_killed(lab):
    """The program ends with a plait that is killed, in place of going on without a network."""
    process = lab.start("sleep", "100")
    lab.wait_for_start(process)
    program = lab.program_of(process)
    process.kill()
    process.wait()
    wait_until(lambda: not is_alive(program), "the program goes on")
    process.communicate()
    lab.run("true")


def is_alive(pid):
    """Whether a process runs; one that nobody has buried yet does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def case_several(lab):
    """Several at once do not disturb each other, and the last one restores the settings."""
    before = lab.snapshot()
    first = lab.start("sh", "-c", "read x; exit 5")
    results = []

    def one():
        results.append(lab.ask("get", SERVER, "8001", "2000000"))

    first_in = lab.start("sleep", "0.2")
    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(results == ["2000000"] * 3, f"{results}")
    check(first_in.wait(timeout=SECONDS) == 0, "the short one failed")
    first_in.communicate()
    first.terminate()
    first.communicate()
    same(before, lab, "left after several")


def case_last_words(lab):
    """What a program wrote before it ended arrives whole, and ends with an end of stream."""
    path = os.path.join(lab.dir, "received")
    for port in ("8000", "8001"):
        if os.path.exists(path):
            os.unlink(path)
        lab.ask("put", SERVER, port, "6000000")
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, f"{port}: no end")
        with open(path, encoding="ascii") as file:
            check(file.read() == "6000000\n", f"{port}: not whole")


def case_nested(lab):
    """Inside of plait run, plait run runs the program as it is."""
    done = lab.run("--", lab.plait, "run", "--", *PEER, "get", SERVER, "8001", "100000")
    check(done.stdout == "100000\n", done.stdout + done.stderr)
    check(done.stderr.count("\n") == 1, done.stderr)


def case_many(lab):
    """Hundreds of connections, many at once, leave none behind."""
    path = os.path.join(lab.dir, "figures")
    count = 300
    got = lab.ask("many", SERVER, "8001", str(count), before=[f"--json={path}"])
    check(got == f"{count} right", got)
    with open(path, encoding="ascii") as file:
        figures = json.load(file)
    check(figures["connections"] == figures["mptcp_connections"] == count, figures)
    check(figures["failed"] == 0, figures)


def case_progress_to_descriptor(lab):
    """--progress writes to an open descriptor that the program does not get."""
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    with open(read_end, encoding="ascii") as pipe:
        done = lab.run("--progress", str(write_end), "--", "sh", "-c",
                       f"sleep 0.4; ls /proc/self/fd/{write_end}", close_fds=False)  # fmt: skip
        os.close(write_end)
        lines = [json.loads(line) for line in pipe]
    check(done.returncode != 0, "the program got the descriptor")
    check(len(lines) >= 3, f"{len(lines)} lines")
    wanted = {"t_ms", "links", "delivered_bytes", "connections", "up_bytes", "down_bytes"}
    check(set(lines[0]) == wanted, lines[0])
    wanted = {"name", "up", "rx_bytes", "tx_bytes", "srtt_ms", "subflows"}
    check(set(lines[0]["links"][0]) == wanted, lines[0])
    check(lab.run("--progress", "99", "true").returncode == 2, "descriptor 99 is open?")


def case_progress_unread(lab):
    """Who does not read what --progress writes stops nothing."""
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    os.set_blocking(write_end, False)
    while True:
        try:
            os.write(write_end, bytes(4096))
        except BlockingIOError:
            break
    os.set_blocking(write_end, True)
    try:
        done = lab.run("--progress", str(write_end), "--", "sh", "-c",
                       "sleep 0.3; " + " ".join(PEER) + f" get {SERVER} 8001 1000000",
                       close_fds=False)  # fmt: skip
        check(done.stdout == "1000000\n", done.stdout + done.stderr)
    finally:
        os.close(read_end)
        os.close(write_end)
