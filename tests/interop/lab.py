"""The network of one interop case: three namespaces, up to four paths, two families.

    ours (p, behind TUN devices t1..t4)  --  router p  ==veth v<i>/k<i>==  kernel k

Path i: we are 10.10<i>.1.2 and fd93:<i>:1::2, the kernel is 10.10<i>.2.2 and fd93:<i>:2::2. A
subflow between different paths uses, both ways, the link of the one that is not path 1: the join
from path 3 to the peer's first address is a flow on link 3. With `twin` (run --self) another
kernel sits in namespace s in our place, on veth pairs of the names of the TUN devices.
"""

import os
import subprocess

PATHS = 4
COMMAND_SECONDS = 60  # what sets something up and takes longer will not end
MAC = '02:00:00:00'
TABLES = ('MPTcpExt', 'TcpExt', 'Tcp', 'Icmp')


def address(side, path, family):
    """The end address of a path; side 'ours' or 'kernel'."""
    host = {'ours': 1, 'kernel': 2}[side]
    return f'10.10{path}.{host}.2' if family == 4 else f'fd93:{path}:{host}::2'


def network_commands(dev, path, net, host):
    """`ip -batch` lines: an address on a device; net is 1 (our side) or 2 (the kernel's)."""
    return [f'addr add 10.10{path}.{net}.{host}/24 dev {dev}',
            f'addr add fd93:{path}:{net}::{host}/64 dev {dev} nodad',
            f'link set {dev} up']


def neighbours(dev, path, host):
    """The other end of a link to the kernel: without asking, which takes IPv6 a second or two on
    a link that has just come up."""
    return [f'neigh add {net} lladdr {MAC}:{path}:{host} dev {dev} nud permanent'
            for net in (f'10.10{path}.2.{host}', f'fd93:{path}:2::{host}')]


def tunnel_commands(path):
    """The TUN device of a path, still down: the kernel notices only up to a second later that a
    program has opened it, but at once when it is set up after that."""
    dev = f't{path}'
    return [f'tuntap add dev {dev} mode tun vnet_hdr', *network_commands(dev, path, 1, 1)[:-1]]


def source_route(dev, path, net, via):
    """What comes from the end address of network `net` leaves by `dev`, unless it goes to an
    address of another path than the first."""
    far = 3 - net
    detour = [] if path == 1 else [f'rule add pref 100 to 10.10{path}.{far}.2 lookup main',
                                   f'-6 rule add pref 100 to fd93:{path}:{far}::2 lookup main']
    return detour + [
            f'rule add pref 200 from 10.10{path}.{net}.2 lookup {path}',
            f'route add default via 10.10{path}.{via}.{3 - host_of(net, via)} dev {dev} '
            f'table {path}',
            f'-6 rule add pref 200 from fd93:{path}:{net}::2 lookup {path}',
            f'-6 route add default via fd93:{path}:{via}::{3 - host_of(net, via)} dev {dev} '
            f'table {path}']


def host_of(net, via):
    """Last part of our own address on network `via`: ends are 2, the router is 1."""
    return 2 if net == via else 1


class Lab:
    """Owns its namespaces; close() removes them."""

    def __init__(self, tag, twin=False, paths=PATHS):
        self.names = {'k': f'pi-{tag}-k', 'p': f'pi-{tag}-p', 's': f'pi-{tag}-s'}
        self.twin = twin
        self.paths = range(1, paths + 1)
        self.made = []

    # ---- life ----

    def open(self):
        for key in ('k', 'p', 's') if self.twin else ('k', 'p'):
            subprocess.run(['ip', 'netns', 'add', self.names[key]], check=True)
            self.made.append(self.names[key])
        self.sysctl('p', {'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1})
        self.make_router()
        self.make_kernel()
        if self.twin:
            self.make_twin()

    def close(self):
        while self.made:
            subprocess.run(['ip', 'netns', 'del', self.made.pop()], check=False,
                           timeout=COMMAND_SECONDS)

    def make_router(self):
        lines = ['link set lo up']
        for i in self.paths:
            lines.append(f'link add v{i} address {MAC}:{i}:1 type veth '
                         f'peer name k{i} address {MAC}:{i}:2 netns {self.names["k"]}')
            lines += network_commands(f'v{i}', i, 2, 1) + neighbours(f'v{i}', i, 2)
            if self.twin:
                lines.append(f'link add t{i} type veth peer name t{i} netns {self.names["s"]}')
                lines += network_commands(f't{i}', i, 1, 1)
            else:
                lines += tunnel_commands(i)
            lines += source_route(f'v{i}', i, 1, 2)
        self.ip('p', lines)

    def make_kernel(self):
        lines = ['link set lo up', 'mptcp limits set subflows 8 add_addr_accepted 8']
        for i in self.paths:
            lines += network_commands(f'k{i}', i, 2, 2) + neighbours(f'k{i}', i, 1)
            lines += [f'route add 10.10{i}.1.0/24 via 10.10{i}.2.1',
                      f'-6 route add fd93:{i}:1::/64 via fd93:{i}:2::1']
            lines += source_route(f'k{i}', i, 2, 2)
        self.ip('k', lines)

    def make_twin(self):
        lines = ['link set lo up', 'mptcp limits set subflows 8 add_addr_accepted 8']
        for i in self.paths:
            lines += network_commands(f't{i}', i, 1, 2)
            lines += [f'route add 10.10{i}.2.0/24 via 10.10{i}.1.1',
                      f'-6 route add fd93:{i}:2::/64 via fd93:{i}:1::1']
            lines += source_route(f't{i}', i, 1, 1)
        self.ip('s', lines)

    # ---- doing something in a namespace ----

    def command(self, key, words):
        return ['ip', 'netns', 'exec', self.names[key], *words]

    def run(self, key, words, text=None):
        done = subprocess.run(self.command(key, words), input=text, text=True, check=False,
                              capture_output=True, timeout=COMMAND_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(f'{" ".join(words)}: {done.stderr.strip()}')
        return done.stdout

    def ip(self, key, lines):
        """`ip -batch`, and after it `ip -6 -batch` with the lines that begin with -6."""
        v6 = [line[3:] for line in lines if line.startswith('-6 ')]
        self.run(key, ['ip', '-batch', '-'], '\n'.join(x for x in lines if x[:3] != '-6 '))
        if v6:
            self.run(key, ['ip', '-6', '-batch', '-'], '\n'.join(v6))

    def sysctl(self, key, values):
        lines = [f'echo {value} >/proc/sys/{name.replace(".", "/")}'
                 for name, value in values.items()]
        self.run(key, ['sh', '-e'], '\n'.join(lines))

    def tunnels_up(self):
        """To be called when our peer has opened them."""
        self.ip('p', [f'link set t{i} up' for i in self.paths])

    # ---- conditions of a case ----

    def set_rate(self, mbit):
        for i in self.paths:
            for key, dev in (('k', f'k{i}'), ('p', f'v{i}')):
                self.run(key, ['tc', 'qdisc', 'add', 'dev', dev, 'root', 'tbf', 'rate',
                               f'{mbit}mbit', 'burst', '64kb', 'latency', '50ms'])

    def offloads_off(self):
        off = ['tx', 'off', 'rx', 'off', 'sg', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off']
        for i in self.paths:
            self.run('k', ['ethtool', '-K', f'k{i}', *off])
            self.run('p', ['ethtool', '-K', f'v{i}', *off])

    def narrow(self, path, mtu):
        """The router forwards nothing larger than `mtu` on a path and says so (ICMP)."""
        self.ip('p', [
            f'route change default via 10.10{path}.2.2 dev v{path} table {path} mtu lock {mtu}',
            f'route change 10.10{path}.1.0/24 dev t{path} mtu lock {mtu}',
            f'-6 route change default via fd93:{path}:2::2 dev v{path} table {path} mtu {mtu}',
            f'-6 route add fd93:{path}:1::2 dev t{path} mtu {mtu}'])

    def filter(self, rules):
        """nft rules of the router, for packets it forwards."""
        lines = ['table inet plait {', ' chain forward {',
                 '  type filter hook forward priority 0;', *('  ' + r for r in rules), ' }', '}']
        self.run('p', ['nft', '-f', '-'], '\n'.join(lines))

    def endpoints(self, key, entries):
        """entries: (path, flags, family); the id is the path's number."""
        side = 'kernel' if key == 'k' else 'ours'
        self.ip(key, [f'mptcp endpoint add {address(side, path, family)} '
                      f'id {path} {flags}' for path, flags, family in entries])

    def cut_command(self, path):
        """A shell command, for any namespace, that makes a path lose everything."""
        rules = [f'add rule inet cut forward {how} v{path} drop' for how in ('iifname', 'oifname')]
        rules[:0] = ['add table inet cut',
                     'add chain inet cut forward { type filter hook forward priority -10; }']
        return f"ip netns exec {self.names['p']} nft '{'; '.join(rules)}'"

    def counters(self, key):
        """Every MIB counter of a namespace: MPTCP's without prefix, the others as Tcp…, TcpExt…
        and, under our name, IcmpTooBig."""
        text = self.run(key, ['cat', '/proc/net/netstat', '/proc/net/snmp', '/proc/net/snmp6'])
        values = {}
        lines = text.splitlines()
        for names, numbers in zip(lines, lines[1:]):
            table, _, rest = names.partition(': ')
            other, _, data = numbers.partition(': ')
            if table != other or table not in TABLES or not rest[:1].isalpha():
                continue
            prefix = '' if table == 'MPTcpExt' else table
            values.update((prefix + name, int(value))
                          for name, value in zip(rest.split(), data.split()))
        v6 = [int(line.split()[1]) for line in lines if line.startswith('Icmp6InPktTooBigs')]
        values['IcmpTooBig'] = values['IcmpInDestUnreachs'] + sum(v6)
        return values


def unusable():
    """Why this machine cannot run the cases, or ''."""
    if os.geteuid() != 0:
        return 'needs root for network namespaces'
    if not os.path.exists('/dev/net/tun'):
        return 'no /dev/net/tun'
    if not os.path.exists('/proc/sys/net/mptcp/enabled'):
        return 'this kernel has no MPTCP'
    return ''
