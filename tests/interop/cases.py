"""The table of interop cases.

A case says what we are (client or server), what each end has as MPTCP endpoints, what happens at
which byte count and what must be seen afterwards: results of both ends and counters of both
stacks. Counters that are not named must be zero when they are in verdict.BAD.
"""

from dataclasses import dataclass, field

KB = 1000
MB = 1000 * 1000


@dataclass
class Case:
    name: str
    role: str                    # what we are: 'client' or 'server'
    family: str = '4'            # '4', '6', '46': odd paths IPv4, even ones IPv6; '64': reverse
    paths: int = 4
    subflows: int = 1            # how many must be established before the bulk is sent
    opener: str = ''             # who sends the joins: 'ours', 'kernel', '' for the client
    joins: int = -1              # completed joins; -1: subflows - 1
    ours: list = field(default_factory=list)      # our endpoints: (path, flags)
    kernel: list = field(default_factory=list)    # the kernel's
    ours_args: list = field(default_factory=list)
    kernel_args: list = field(default_factory=list)
    ours_at: list = field(default_factory=list)   # (received bytes, action, path)
    kernel_at: list = field(default_factory=list)
    cut: tuple = ()              # (received bytes at the kernel, path): loses everything from then
    bytes_ours: int = 300 * KB
    bytes_kernel: int = 300 * KB
    rate: int = 0                # Mb/s of every path, 0: as fast as it goes
    mtu: int = 0                 # what the router forwards on path 1, 0: everything
    offloads: bool = True
    sysctl: dict = field(default_factory=dict)    # in the kernel's namespace
    filter: list = field(default_factory=list)    # nft rules of the router
    mptcp: bool = True           # MPTCP is spoken at the end
    ours_error: str = ''
    kernel_error: str = ''
    ours_counters: dict = field(default_factory=dict)
    kernel_counters: dict = field(default_factory=dict)
    shares: dict = field(default_factory=dict)    # our n-th subflow: (least, most) of bytes_ours
    pairs: tuple = None          # compare counters of both ends (counters.py) except for these
    capture: bool = True
    monitor: dict = None         # side: what its monitor must say (monitor.py)
    canary: bool = False         # must be judged a failure
    twin: bool = True            # holds for kernel against kernel, too

    def family_of(self, path):
        return int(self.family[(path - 1) % len(self.family)])

    @property
    def join_opener(self):
        return self.opener or ('ours' if self.role == 'client' else 'kernel')


FLIP = {'ours': 'kernel', 'kernel': 'ours', 'client': 'server', 'server': 'client'}


def endpoints(first, last, flags):
    return [(path, flags) for path in range(first, last + 1)]


def basic():
    """Role x family x number of subflows; the client opens them."""
    for role in ('client', 'server'):
        opener = 'ours' if role == 'client' else 'kernel'
        for family in ('4', '6'):
            for count in range(1, 5):
                yield Case(f'{role}-v{family}-subflows-{count}', role, family, subflows=count,
                           **{opener: endpoints(2, count, 'subflow')})
        yield Case(f'{role}-no-offload', role, subflows=2, offloads=False,
                   **{opener: [(2, 'subflow')]})
        yield Case(f'{role}-v6-no-offload', role, '6', subflows=2, offloads=False,
                   **{opener: [(2, 'subflow')]})


def both_families():
    """One connection over IPv4 and IPv6, the first subflow over either."""
    for role in ('client', 'server'):
        opener = 'ours' if role == 'client' else 'kernel'
        for family in ('46', '64'):
            other = FLIP[opener]
            for count in (2, 3):
                # A client needs an address of the server's that has the family.
                yield Case(f'{role}-v{family}-subflows-{count}', role, family, subflows=count,
                           **{opener: endpoints(2, count, 'subflow'), other: [(2, 'signal')],
                              f'{opener}_counters': {'AddAddr': '>=1', 'EchoAddTx': '>=1'},
                              f'{other}_counters': {'EchoAdd': '>=1'}})


def long():
    for role in ('client', 'server'):
        opener = 'ours' if role == 'client' else 'kernel'
        yield Case(f'{role}-long', role, subflows=2, bytes_ours=50 * MB, bytes_kernel=50 * MB,
                   capture=False, **{opener: [(2, 'subflow')]})
        yield Case(f'{role}-shared-rate', role, subflows=4, rate=20, bytes_ours=4 * MB,
                   bytes_kernel=4 * MB, shares={n: (0.05, 0.9) for n in range(1, 5)},
                   **{opener: endpoints(2, 4, 'subflow')})


def narrow():
    """A path MTU that only ICMP tells (RFC 1191, RFC 8201)."""
    for role in ('client', 'server'):
        for family in ('4', '6'):
            yield Case(f'{role}-v{family}-path-mtu', role, family, mtu=1400,
                       ours_counters={'IcmpTooBig': '>=1'})


def announce():
    """ADD_ADDR by the server; the client joins to what was announced."""
    for role in ('client', 'server'):
        server = 'kernel' if role == 'client' else 'ours'
        client = FLIP[server]
        for family in ('4', '6'):
            yield Case(f'{role}-v{family}-add-addr', role, family, subflows=2,
                       **{server: [(2, 'signal')],
                          f'{client}_counters': {'AddAddr': '>=1', 'EchoAddTx': '>=1'},
                          f'{server}_counters': {'EchoAdd': '>=1', 'AddAddrTx': '>=1'}})
        yield Case(f'{role}-add-addr-port', role, subflows=2,
                   **{server: [(2, 'signal port 5100')],
                      f'{client}_counters': {'AddAddr': '>=1', 'PortAdd': '>=1',
                                             'EchoAddTx': '>=1'},
                      f'{server}_counters': {'EchoAdd': '>=1'}})
        yield Case(f'{role}-add-addr-three', role, subflows=4,
                   **{server: endpoints(2, 4, 'signal'),
                      f'{client}_counters': {'AddAddr': '>=3', 'EchoAddTx': '>=3'},
                      f'{server}_counters': {'EchoAdd': '>=3'}})
        yield Case(f'{role}-v46-add-addr', role, '46', subflows=2,
                   **{server: [(2, 'signal')], client: [(2, 'subflow')],
                      f'{client}_counters': {'AddAddr': '>=1', 'EchoAddTx': '>=1'},
                      f'{server}_counters': {'EchoAdd': '>=1'}})
        yield Case(f'{role}-fullmesh', role, subflows=3,
                   **{server: [(2, 'signal')], client: [(3, 'subflow fullmesh')],
                      f'{client}_counters': {'AddAddr': '>=1'}})
        # Addresses of a client: the server may join to them, and must acknowledge them.
        yield Case(f'{role}-client-announces', role, rate=10, joins=-2,
                   **{client: [(2, 'signal')],
                      f'{server}_counters': {'AddAddr': '>=1', 'EchoAddTx': '>=1',
                                             'MPRstRx': '>=0'},
                      f'{client}_counters': {'EchoAdd': '>=1', 'MPJoinNoTokenFound': '>=0',
                                             'MPRstTx': '>=0'}})


def server_opens():
    """A server with subflow endpoints joins to its client's own port, which may refuse."""
    loose = {'MPRstTx': '>=0', 'MPRstRx': '>=0', 'MPJoinNoTokenFound': '>=0'}
    for role in ('client', 'server'):
        server = 'kernel' if role == 'client' else 'ours'
        yield Case(f'{role}-server-opens', role, joins=-2, **{server: [(2, 'subflow')]},
                   ours_counters=loose, kernel_counters=loose)


def remove():
    """REMOVE_ADDR in mid-transfer."""
    common = {'subflows': 2, 'rate': 20, 'bytes_ours': 2 * MB, 'bytes_kernel': 2 * MB}
    for role in ('client', 'server'):
        opener = 'ours' if role == 'client' else 'kernel'
        for side in ('ours', 'kernel'):
            gone = {f'{side}_counters': {'RmAddrTx': '>=1', 'RmSubflow': 1,
                                         'MPRstTx': '>=0', 'MPRstRx': '>=0'},
                    f'{FLIP[side]}_counters': {'RmAddr': '>=1', 'RmAddrDrop': '>=0',
                                               'RmSubflow': 0,
                                               'MPRstTx': '>=0', 'MPRstRx': '>=0'}}
            flags = 'subflow' if side == opener else 'signal'
            yield Case(f'{role}-{side}-removes', role, **common, **gone,
                       **{side: [(2, flags)], f'{side}_at': [(500 * KB, 'remove', 2)]})
            yield Case(f'{role}-{side}-removes-first', role, **common, **gone,
                       **{side: [(2, flags)], f'{side}_at': [(500 * KB, 'remove', 1)]})


def backup():
    common = {'subflows': 2, 'rate': 20, 'bytes_ours': 2 * MB, 'bytes_kernel': 2 * MB}
    for role in ('client', 'server'):
        opener = 'ours' if role == 'client' else 'kernel'
        other = FLIP[opener]
        for side in ('ours', 'kernel'):
            flags = 'subflow' if side == opener else 'signal'
            # An MP_PRIO is sent once and may be lost in a full queue: so three are asked for.
            yield Case(f'{role}-{side}-prio', role, **common, shares={2: (0.05, 0.8)},
                       **{side: [(2, flags)],
                          f'{side}_at': [(500 * KB, 'backup', 2), (600 * KB, 'primary', 2),
                                         (700 * KB, 'backup', 2)],
                          f'{side}_counters': {'MPPrioTx': '>=1'},
                          f'{FLIP[side]}_counters': {'MPPrioRx': '>=1'}})
        yield Case(f'{role}-backup-in-answer', role, **common,
                   **{opener: [(2, 'subflow')], other: [(1, 'signal backup')],
                      f'{opener}_counters': {'MPJoinSynAckBackupRx': 1}})
        yield Case(f'{role}-backup-join', role, **common, shares={2: (0, 0)},
                   **{opener: [(2, 'subflow backup')],
                      f'{other}_counters': {'MPJoinSynBackupRx': 1}})


def loss():
    """A path loses everything in mid-transfer, both directions, without a word."""
    loose = {name: '>=0' for name in ('MPRstRx', 'MPRstTx', 'NoDSSInWindow', 'RmAddrTx', 'RmAddr',
                                     'RmAddrDrop')}
    common = {'subflows': 2, 'rate': 20, 'bytes_ours': 2 * MB, 'bytes_kernel': 2 * MB, 'joins': -2,
              'kernel_counters': loose, 'ours_counters': loose}
    for role in ('client', 'server'):
        opener = 'ours' if role == 'client' else 'kernel'
        ends = {opener: [(2, 'subflow')]}
        ours = {'ours': [(2, 'subflow' if role == 'client' else 'signal')]}
        yield Case(f'{role}-path-cut', role, cut=(500 * KB, 2), **ends, **common)
        # The other path fills the receiver's window before the loss is noticed.
        yield Case(f'{role}-cut-full-window', role, cut=(500 * KB, 1), **ends,
                   **{**common, 'rate': 40, 'bytes_ours': 6 * MB})
        yield Case(f'{role}-first-path-cut', role, cut=(500 * KB, 1), **ends, **common)
        yield Case(f'{role}-backup-takes-over', role, cut=(500 * KB, 1), **common,
                   shares={2: (0.3, 1.5)},
                   **{opener: [(2, 'subflow backup')]})
        yield Case(f'{role}-kernel-link-down', role, **ends, **common,
                   kernel_at=[(500 * KB, 'down', 2)])
        yield Case(f'{role}-ours-link-down', role, **ours, **common,
                   ours_at=[(500 * KB, 'down', 2)])
        yield Case(f'{role}-ours-link-down-and-up', role, **ours, **common,
                   ours_at=[(300 * KB, 'down', 2), (700 * KB, 'up', 2)])


def close():
    for role in ('client', 'server'):
        opener = 'ours' if role == 'client' else 'kernel'
        for count in (1, 2):
            ends = {opener: endpoints(2, count, 'subflow'), 'subflows': count}
            yield Case(f'{role}-kernel-closes-first-{count}', role, **ends,
                       bytes_kernel=50 * KB, bytes_ours=1 * MB, ours_args=['--wait-eof'])
            yield Case(f'{role}-we-close-first-{count}', role, **ends, bytes_ours=50 * KB,
                       bytes_kernel=1 * MB, kernel_args=['--wait-eof'])
            yield Case(f'{role}-we-abort-{count}', role, **ends, bytes_kernel=5 * MB, rate=50,
                       ours_args=['--fastclose', str(200 * KB)], kernel_error='RESET',
                       ours_counters={'MPFastcloseTx': '>=1', 'MPRstTx': '>=0', 'MPRstRx': '>=0'},
                       kernel_counters={'MPFastcloseRx': '>=1', 'MPRstRx': '>=0',
                                        'MPRstTx': '>=0'})
            yield Case(f'{role}-kernel-aborts-{count}', role, **ends, bytes_ours=5 * MB, rate=50,
                       kernel_args=['--fastclose', str(200 * KB)], ours_error='RESET',
                       kernel_counters={'MPFastcloseTx': '>=1', 'MPRstTx': '>=0',
                                        'MPRstRx': '>=0'},
                       ours_counters={'MPFastcloseRx': '>=1', 'MPRstRx': '>=0', 'MPRstTx': '>=0'})
        yield Case(f'{role}-nothing-sent-by-us', role, bytes_ours=0)
        yield Case(f'{role}-nothing-sent-by-kernel', role, bytes_kernel=0)
        yield Case(f'{role}-one-byte', role, bytes_ours=1, bytes_kernel=1)


def one_subflow_ends():
    """A reset of one subflow (MP_TCPRST), by either side: the rest goes on over the other. Who
    resets sends little, or a full queue could lose what is said once."""
    for role in ('client', 'server'):
        opener = 'ours' if role == 'client' else 'kernel'
        for side in ('ours', 'kernel'):
            flags = 'subflow' if side == opener else 'signal'
            for path in (1, 2):
                # The path may be tried again, and refused.
                yield Case(f'{role}-{side}-resets-{path}', role, subflows=2, rate=20, joins=-2,
                           **{side: [(2, flags)], f'{side}_at': [(500 * KB, 'reset', path)],
                              f'bytes_{side}': 20 * KB, f'bytes_{FLIP[side]}': 2 * MB,
                              f'{side}_counters': {'MPRstTx': '>=1', 'MPRstRx': '>=0',
                                                   'MPJoinRejected': '>=0'},
                              f'{FLIP[side]}_counters': {'MPRstRx': '>=1', 'MPRstTx': '>=0'}})


def rewriting(device, number):
    """A nft rule that changes 8 bytes of payload in one large packet (64 KB, perhaps) into
    (`oifname`) or out of (`iifname`) a device of the router. The TCP checksum stays right: with
    offloads it is made behind the router, or not at all."""
    return [f'{device} meta length > 700 numgen inc mod 1000000 {number} '
            '@th,640,64 set 0x5a5a5a5a5a5a5a5a']


def checksum_wrong():
    """A box changes payload: DSS checksums find it (RFC 8684 section 3.7). Who finds it sends
    little, as MP_FAIL on a RST is said once. With one subflow Linux 6.18 hangs, also with
    itself (docs/kernel-differences.md)."""
    for role in ('client', 'server'):
        opener = 'ours' if role == 'client' else 'kernel'
        for side, direction, number in (('ours', 'iifname', 5), ('kernel', 'oifname', 1)):
            other = FLIP[side]
            common = {f'bytes_{side}': 20 * KB, f'bytes_{other}': 2 * MB, 'rate': 20,
                      'pairs': ('MPRstTx', 'MPJoinSynTx', 'MPJoinSynAckRx'),
                      'ours_args': ['--checksum']}
            # With another subflow this one is reset, and its bytes come again.
            yield Case(f'{role}-{side}-sees-rewriting', role, subflows=2, joins=-2, **common,
                       filter=rewriting(f'{direction} "v2"', number),
                       **{opener: [(2, 'subflow')],
                          f'{side}_counters': {'DataCsumErr': 1, 'MPFailTx': 1, 'MPRstTx': '>=1',
                                               'MPRstRx': '>=0', 'MPJoinRejected': '>=0',
                                               'DSSCorruptionReset': '>=0'},
                          f'{other}_counters': {'MPFailRx': 1, 'MPRstRx': '>=0',
                                                'MPJoinRejected': '>=0', 'MPRstTx': '>=0'}})


def make_after_break():
    """The only path is gone before there is another one: the connection waits without subflows."""
    for count, name in ((1, 'only'), (2, 'both')):
        yield Case(f'client-break-before-make-{name}', 'client', subflows=count, rate=20, joins=-2,
                   bytes_ours=2 * MB, bytes_kernel=2 * MB,
                   ours=[(2, 'subflow')] * (count - 1) + [(3, 'subflow later')],
                   ours_at=[(500 * KB, 'down', path) for path in range(1, count + 1)]
                   + [(500 * KB, 'add', 3)],
                   ours_counters={'MPJoinSynAckRx': count, 'MPRstTx': '>=0'},
                   kernel_counters={'MPJoinAckRx': count, 'MPRstRx': '>=0'}, twin=False)


def story(middle, closed=True):
    """What a monitor says of one connection."""
    return ' '.join(['CREATED ESTABLISHED', *middle, *(['CLOSED'] if closed else [])])


def monitors():
    """`ip mptcp monitor` beside ours; each end's story from its own side."""
    common = {'subflows': 2, 'rate': 20, 'bytes_ours': 2 * MB, 'bytes_kernel': 2 * MB,
              'twin': False}
    loose = {name: '>=0' for name in ('MPRstRx', 'MPRstTx', 'RmAddrDrop', 'RmSubflow')}
    # The kernel is silent about subflows once it has written its last byte: at the time of the
    # action it has not.
    still = {'bytes_kernel': 4 * MB, 'sysctl': {'net.ipv4.tcp_wmem': '4096 65536 524288'}}
    for role in ('client', 'server'):
        opener = 'ours' if role == 'client' else 'kernel'
        other = FLIP[opener]
        joined = ['SF_ESTABLISHED']
        for family in ('4', '6'):
            yield Case(f'{role}-v{family}-monitor-join', role, family, **common,
                       monitor={'ours': story(joined), 'kernel': story(joined)},
                       **{opener: [(2, 'subflow')]})
        yield Case(f'{role}-monitor-backup-join', role, **common,
                   monitor={'ours': story(joined), 'kernel': story(joined)},
                   **{opener: [(2, 'subflow backup')],
                      f'{other}_counters': {'MPJoinSynBackupRx': 1}})
        for side in ('ours', 'kernel'):
            # Whoever announces is not told; the other one is, and joins.
            flags = 'subflow' if side == opener else 'signal'
            told = FLIP[side]
            heard = joined if side == opener else ['ANNOUNCED', *joined]
            yield Case(f'{role}-monitor-{side}-prio', role, **{**common, **still},
                       monitor={side: story(joined), told: story([*heard, 'SF_PRIO'])},
                       **{side: [(2, flags)],
                          f'{side}_at': [(500 * KB, 'backup', 2), (600 * KB, 'primary', 2),
                                         (700 * KB, 'backup', 2)]})
            yield Case(f'{role}-monitor-{side}-removes', role, **{**common, **still},
                       ours_counters=loose, kernel_counters=loose,
                       monitor={side: story([*joined, 'SF_CLOSED']),
                                told: story([*heard, 'REMOVED', 'SF_CLOSED'])},
                       **{side: [(2, flags)], f'{side}_at': [(500 * KB, 'remove', 2)]})
        # The kernel says nothing at the end of what was aborted from here.
        yield Case(f'{role}-monitor-we-abort', role, **{**common, 'bytes_ours': 20 * KB,
                                                          'bytes_kernel': 5 * MB},
                   **{opener: [(2, 'subflow')]}, ours_args=['--fastclose', str(200 * KB)],
                   kernel_error='RESET', ours_counters={**loose, 'MPFastcloseTx': '>=1'},
                   kernel_counters={**loose, 'MPFastcloseRx': '>=1'},
                   monitor={'ours': story(joined), 'kernel': story(joined, closed=False)})


def negotiation():
    # The kernel asks for ECN on both subflows; we accept it by default.
    yield Case('server-ecn', 'server', subflows=2, kernel=[(2, 'subflow')], rate=50,
               bytes_ours=1 * MB, bytes_kernel=1 * MB, sysctl={'net.ipv4.tcp_ecn': 1})
    for role in ('client', 'server'):
        opener = 'ours' if role == 'client' else 'kernel'
        ends = {opener: [(2, 'subflow')], 'subflows': 2}
        for who, args, sysctl in (('ours', ['--checksum'], {}), ('kernel', [], {'checksum': 1}),
                                  ('both', ['--checksum'], {'checksum': 1})):
            yield Case(f'{role}-checksum-{who}', role, **ends, ours_args=args,
                       sysctl={'net.mptcp.checksum_enabled': 1} if sysctl else {})
        yield Case(f'{role}-checksum-no-offload', role, **ends, ours_args=['--checksum'],
                   offloads=False)
        # The C flag of the server: no join to its first address, but to an announced one.
        deny = ({'sysctl': {'net.mptcp.allow_join_initial_addr_port': 0}} if role == 'client'
                else {'ours_args': ['--deny-join']})
        server = FLIP[opener]
        yield Case(f'{role}-server-denies-joins', role, **deny, **{opener: [(2, 'subflow')]})
        yield Case(f'{role}-server-denies-joins-and-announces', role, subflows=2, **deny,
                   **{server: [(2, 'signal')]})


def fallback():
    """Plain TCP peers, and a router that strips option 30."""
    for role in ('client', 'server'):
        client = 'ours' if role == 'client' else 'kernel'
        server = FLIP[client]
        for family in ('4', '6'):
            for plain in ('ours', 'kernel'):
                counters = ({f'{client}_counters': {'MPCapableFallbackSYNACK': 1}}
                            if plain == server else {})
                yield Case(f'{role}-v{family}-{plain}-plain', role, family, mptcp=False,
                           **{f'{plain}_args': ['--plain']}, **counters)
        strip = 'reset tcp option mptcp'
        syn, synack = 'tcp flags & (syn|ack) == syn', 'tcp flags & (syn|ack) == (syn|ack)'
        from_client = 'oifname "v*"' if role == 'client' else 'iifname "v*"'
        from_server = 'iifname "v*"' if role == 'client' else 'oifname "v*"'
        both = {f'{client}_counters': {'MPCapableFallbackSYNACK': 1},
                f'{server}_counters': {'MPCapableFallbackACK': '>=0'}}
        yield Case(f'{role}-strip-syn', role, mptcp=False, filter=[f'{syn} {strip}'], **both)
        yield Case(f'{role}-strip-synack', role, mptcp=False, filter=[f'{synack} {strip}'],
                   **{f'{client}_counters': {'MPCapableFallbackSYNACK': 1},
                      f'{server}_counters': {'MPCapableFallbackACK': 1}})
        loose = {key: '>=0' for key in ('MPCapableFallbackACK', 'MPCapableDataFallback',
                                        'DssFallback', 'MPCapableFallbackSYNACK', 'MPFailTx',
                                        'MPFailRx', 'InfiniteMapTx', 'InfiniteMapRx')}
        for which, rule in (('client-data', f'{from_client} tcp flags & syn == 0 {strip}'),
                            ('server-data', f'{from_server} tcp flags & syn == 0 {strip}'),
                            ('data', f'tcp flags & syn == 0 {strip}')):
            yield Case(f'{role}-strip-{which}', role, mptcp=False, filter=[rule],
                       ours_counters=loose, kernel_counters=loose)
        yield Case(f'{role}-strip-joins', role, filter=[f'ip saddr 10.102.0.0/16 {strip}'],
                   joins=-2, **{client: [(2, 'subflow')]},
                   kernel_counters={'MPRstTx': '>=0', 'MPRstRx': '>=0'},
                   ours_counters={'MPRstTx': '>=0', 'MPRstRx': '>=0'})


def fast_open():
    """A first connection fetches the cookie (peer.c, kernel_peer.py); the second shows it and has
    its first bytes in the SYN."""
    for family in ('4', '6'):
        common = {'family': family, 'mptcp': False, 'twin': False,
                  'sysctl': {'net.ipv4.tcp_fastopen': 3},
                  'ours_args': ['--plain', '--fastopen'],
                  'kernel_args': ['--plain', '--fastopen']}
        yield Case(f'client-v{family}-fast-open', 'client', **common,
                   ours_counters={'TCPFastOpenActive': 1, 'TCPFastOpenActiveFail': 0},
                   kernel_counters={'TcpExtTCPFastOpenCookieReqd': 1,
                                    'TcpExtTCPFastOpenPassive': 1})
        yield Case(f'server-v{family}-fast-open', 'server', **common,
                   ours_counters={'TCPFastOpenCookieReqd': 1, 'TCPFastOpenPassive': 1},
                   kernel_counters={'TcpExtTCPFastOpenActive': 1,
                                    'TcpExtTCPFastOpenActiveFail': 0})
    # With MPTCP (RFC 8684 appendix B): the kernel makes room for its cookie by leaving timestamps
    # out, we make a shorter one. What the SYN carried has no data sequence numbers.
    for family in ('4', '6'):
        for count, checksum in ((1, False), (1, True), (2, False)):
            name = f'v{family}-fast-open-mptcp-{count}' + ('-checksum' if checksum else '')
            # With two subflows, the connection that fetches the cookie may open one, too.
            loose = {'MPRstRx': '>=0', 'MPRstTx': '>=0', 'MPJoinRejected': '>=0',
                     'MPJoinNoTokenFound': '>=0'}
            loose = loose if count > 1 else {}
            common = {'family': family, 'twin': False, 'subflows': count,
                      'joins': -2 if count > 1 else -1, 'kernel_args': ['--fastopen'],
                      'ours_args': ['--fastopen'] + (['--checksum'] if checksum else []),
                      'sysctl': {'net.ipv4.tcp_fastopen': 3}}
            client = {'MPCapableSYNACKRX': 2, **loose}
            server = {'MPCapableSYNRX': 2, 'MPCapableACKRX': 2, **loose}
            # What the kernel's program writes while the third ACK comes in may stay with the kernel
            # until our next segment: it waits (docs/interop.md).
            patient = {**common, 'kernel_args': ['--fastopen', '--after-handshake']}
            yield Case(f'client-{name}', 'client', ours=endpoints(2, count, 'subflow'), **patient,
                       ours_counters={'TCPFastOpenActive': 1, 'TCPFastOpenActiveFail': 0,
                                      **client},
                       kernel_counters={'TcpExtTCPFastOpenCookieReqd': 1,
                                        'TcpExtTCPFastOpenPassive': 1, **server})
            yield Case(f'server-{name}', 'server', kernel=endpoints(2, count, 'subflow'), **common,
                       ours_counters={'TCPFastOpenCookieReqd': 1, 'TCPFastOpenPassive': 1,
                                      **server},
                       kernel_counters={'TcpExtTCPFastOpenActive': 1,
                                        'TcpExtTCPFastOpenActiveFail': 0, **client})
    # A box drops SYNs with payload: it goes again in front of the data sequence space (kernel) or
    # in it (we). Two kernels fall back.
    for role, counters in (('client', {'ours_counters': {'TCPFastOpenActiveFail': 1}}),
                           ('server', {'kernel_counters': {'TcpExtTCPFastOpenActiveFail': 1}})):
        for checksum in ([], ['--checksum']):
            yield Case(f'{role}-fast-open-mptcp-dropped' + ('-checksum' if checksum else ''), role,
                       twin=False, sysctl={'net.ipv4.tcp_fastopen': 3},
                       ours_args=['--fastopen', *checksum], kernel_args=['--fastopen'],
                       filter=['tcp flags & (syn|ack) == syn meta length > 500 drop'], **counters)
    # A listener without Fast Open grants no cookie: a usual handshake, twice.
    yield Case('client-fast-open-unwanted', 'client', mptcp=False, twin=False,
               sysctl={'net.ipv4.tcp_fastopen': 0}, ours_args=['--plain', '--fastopen'],
               kernel_args=['--plain', '--fastopen'], ours_counters={'TCPFastOpenActive': 0})


def syn_cookies():
    """Every SYN is answered with a cookie, as under a flood."""
    for family in ('4', '6'):
        for plain in (False, True):
            name = f'v{family}-syn-cookies' + ('-plain' if plain else '')
            args = ['--plain'] if plain else []
            common = {'family': family, 'mptcp': not plain, 'twin': False, 'kernel_args': args}
            yield Case(f'client-{name}', 'client', **common, ours_args=args,
                       sysctl={'net.ipv4.tcp_syncookies': 2},
                       kernel_counters={'TcpExtSyncookiesSent': '>=1', 'TcpExtSyncookiesRecv': 1})
            yield Case(f'server-{name}', 'server', **common, ours_args=['--syn-cookies', *args],
                       ours_counters={'SyncookiesSent': '>=1', 'SyncookiesRecv': 1})
        # Joins to a server whose SYN/ACKs keep no state: Linux answers them statelessly, too.
        yield Case(f'client-v{family}-syn-cookies-joins', 'client', family=family, subflows=3,
                   twin=False, ours=endpoints(2, 3, 'subflow'),
                   sysctl={'net.ipv4.tcp_syncookies': 2},
                   kernel_counters={'TcpExtSyncookiesSent': '>=1', 'TcpExtSyncookiesRecv': '>=1'})
        yield Case(f'server-v{family}-syn-cookies-joins', 'server', family=family, subflows=3,
                   twin=False, kernel=endpoints(2, 3, 'subflow'), ours_args=['--syn-cookies'],
                   ours_counters={'SyncookiesSent': '>=3', 'SyncookiesRecv': 3})


def lost_syns():
    """Every other SYN is lost: counters of SYNs count connections and joins, not transmissions."""
    for role in ('client', 'server'):
        client = 'ours' if role == 'client' else 'kernel'
        yield Case(f'{role}-syns-lost', role, subflows=2,
                   filter=['tcp flags & (syn|ack) == syn numgen inc mod 2 0 drop'],
                   **{client: [(2, 'subflow')],
                      f'{client}_counters': {'MPCapableSYNTX': 1, 'MPJoinSynTx': 1},
                      f'{FLIP[client]}_counters': {'MPCapableSYNRX': 1, 'MPJoinSynRx': 1}})


def canaries():
    """Cases that must fail, because a judge that never objects proves nothing."""
    yield Case('canary-bytes', 'client', canary=True, kernel_args=['--peer-seed', 'another'])
    yield Case('canary-pairs', 'client', kernel=[(2, 'signal')], pairs=(), canary=True,
               filter=['tcp option mptcp subtype 3 drop'])
    yield Case('canary-counters', 'client', subflows=2, ours=[(2, 'subflow')], joins=2, canary=True)


def all_cases():
    """Every case, the long ones first so that two workers finish together."""
    cases = []
    for group in (long, loss, backup, remove, basic, both_families, announce, server_opens, narrow,
                  close, monitors, negotiation, fallback, fast_open, syn_cookies, lost_syns,
                  one_subflow_ends, checksum_wrong, make_after_break, canaries):
        cases += group()
    return cases
