"""The network of one case: that of an interop case, but its links are emulated, with middleboxes.

    ours (p, behind TUN devices t1, t2)  --  router p  ==emulator v<i>/k<i>==  kernel k

The boxes stand at the end of the host that has the two paths: the client, or the server where an
announced address is what the box is about.
"""

import json
import subprocess

import lab as network

# A box makes longer packets of what is as long as a packet may be: hosts send 1500 bytes at most,
# but the devices take more.
DEVICE_MTU = 9000
ROUTE_MTU = ' mtu 1500 advmss 1460'
LINK = 'rate 20mbit delay 5ms limit 200'
LOSSY = ' loss 2%'
NAT_HOST = 77
END_SECONDS = 20


def with_mtu(lines):
    return [line + ROUTE_MTU if 'route add' in line else line for line in lines]


class BoxLab(network.Lab):
    """Owns the emulators of its links, too."""

    def __init__(self, tag, twin, case, program):
        super().__init__(tag, twin, case.paths)
        self.case = case
        self.program = program
        self.emulators = []
        self.acted = 0

    # ---- life ----

    def close(self):
        self.stop_links()
        super().close()

    def start_links(self):
        ends = [(self.names['p'], 'v'), (self.names['k'], 'k')]
        if self.case.inside == 'kernel':
            ends.reverse()
        setting = LINK + (LOSSY if self.case.lossy else '')
        for i in self.paths:
            words = [self.program, ends[0][0], ends[1][0], f'{ends[0][1]}{i},{ends[1][1]}{i}',
                     setting, setting, str(i), *self.case.boxes_of(i)]
            self.emulators.append(subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                text=True))
        for process in self.emulators:
            if process.stdout.readline() != 'OPEN\n':
                raise RuntimeError('a link does not open')

    def stop_links(self):
        """Ends the emulators; adds up what their boxes did."""
        for process in self.emulators:
            try:
                report, _ = process.communicate(timeout=END_SECONDS)  # the end of its input
            except subprocess.TimeoutExpired:
                process.kill()
                continue
            if process.returncode == 0:
                self.acted += sum(json.loads(report)['boxes'])
        self.emulators = []

    # ---- devices, addresses, routes ----

    def make_router(self):
        self.start_links()
        lines = ['link set lo up']
        for i in self.paths:
            lines += [f'link set v{i} mtu {DEVICE_MTU}',
                      *network.network_commands(f'v{i}', i, 2, 1)]
            if self.twin:
                lines.append(f'link add t{i} mtu {DEVICE_MTU} type veth peer name t{i} '
                             f'mtu {DEVICE_MTU} netns {self.names["s"]}')
                lines += network.network_commands(f't{i}', i, 1, 1)
            else:
                lines += [*network.tunnel_commands(i), f'link set t{i} mtu {DEVICE_MTU}']
            lines += network.source_route(f'v{i}', i, 1, 2) + self.to_outside(i, 2)
        self.ip('p', lines)

    def make_kernel(self):
        lines = ['link set lo up', 'mptcp limits set subflows 8 add_addr_accepted 8']
        for i in self.paths:
            lines += [f'link set k{i} mtu {DEVICE_MTU}',
                      *network.network_commands(f'k{i}', i, 2, 2),
                      f'route add 10.10{i}.1.0/24 via 10.10{i}.2.1',
                      *network.source_route(f'k{i}', i, 2, 2), *self.to_outside(i, 1)]
        self.ip('k', with_mtu(line for line in lines if not line.startswith('-6')))

    def make_twin(self):
        lines = ['link set lo up', 'mptcp limits set subflows 8 add_addr_accepted 8']
        for i in self.paths:
            lines += [*network.network_commands(f't{i}', i, 1, 2),
                      f'route add 10.10{i}.2.0/24 via 10.10{i}.1.1',
                      *network.source_route(f't{i}', i, 1, 1)]
        self.ip('s', with_mtu(line for line in lines if not line.startswith('-6')))

    @staticmethod
    def to_outside(path, net):
        """What goes to an address that a NAT shows takes its link."""
        return [f'rule add pref 100 to 10.10{path}.{net}.{NAT_HOST} lookup main']
