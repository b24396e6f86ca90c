"""The interop matrix: everything that two ends can disagree about, three at a time.

The full product of the factors below has 10,752 combinations, of which some hundred can be
run in a check. A fault of one feature shows with that feature alone, one between features needs
two of them, hardly ever more than three: so the rows are chosen such that every three values of
different factors that can meet do meet in some row. `rows` finds them greedily and always the same.
"""

import itertools
import random

from cases import FLIP, KB, MB, Case

FACTORS = {
    'role': ('client', 'server'),                       # what we are
    'family': ('4', '6', '46'),                         # 46: the first path IPv4, the second IPv6
    'checksum': ('none', 'ours', 'kernel', 'both'),     # who asks for DSS checksums
    'deny': ('none', 'ours', 'kernel', 'both'),         # who sets flag C
    'joins': ('none', 'client', 'announced', 'server'),
    'close': ('both', 'ours', 'kernel', 'abort-ours', 'abort-kernel', 'rst-ours', 'rst-kernel'),
    'tfo': ('off', 'on'),
    'cookies': ('off', 'on'),
}
MEANING = {
    'role': {'client': 'what we are'},
    'family': {'46': 'first path IPv4, second IPv6'},
    'checksum': {'none': 'who asks for DSS checksums'},
    'deny': {'none': 'who sets flag C'},
    'joins': {'none': 'one subflow', 'client': "the client joins the server's first address",
              'announced': 'the client joins an address that the server announces',
              'server': 'the server joins an address and port that the client announces'},
    'close': {'both': 'both at once', 'ours': 'we first, the kernel sends on (half-close)',
              'kernel': 'the kernel first, we send on (half-close)',
              'abort-ours': 'we abort (MP_FASTCLOSE)', 'abort-kernel': 'the kernel does',
              'rst-ours': 'we abort a connection that has fallen back to TCP (RST)',
              'rst-kernel': 'the kernel does'},
    'tfo': {'on': 'the first bytes are in the SYN'},
    'cookies': {'on': 'the server answers every SYN with a cookie'},
}
SEED = 1
CANDIDATES = 60


def is_plain(row):
    """Whether the connection falls back: the end that resets it speaks TCP only."""
    return row['close'].startswith('rst')


def product():
    """Every combination of all values."""
    return [dict(zip(FACTORS, values)) for values in itertools.product(*FACTORS.values())]


def valid(row):
    """Whether the values of a row can meet."""
    client = 'ours' if row['role'] == 'client' else 'kernel'
    denied = (FLIP[client], 'both')
    if row['tfo'] == 'on' and row['cookies'] == 'on':
        return False  # a SYN cookie leaves no place for a payload
    if is_plain(row) and row['joins'] != 'none':
        return False
    if row['joins'] == 'client' and (row['deny'] in denied or row['family'] == '46'):
        return False  # flag C forbids it; the other family's address is not known
    return row['family'] != '46' or row['joins'] in ('announced', 'server')


def triples(row):
    """Every three values of a row, by names of factors."""
    return itertools.combinations(row.items(), 3)


def rows():
    """The rows of the matrix, dictionaries factor -> value, in the order of the factors."""
    chance = random.Random(SEED)
    every = [row for row in product() if valid(row)]
    where = {}
    for row in every:
        for triple in triples(row):
            where.setdefault(triple, []).append(row)
    missing = dict.fromkeys(where)
    chosen = []
    while missing:
        having = where[next(iter(missing))]
        some = chance.sample(having, min(CANDIDATES, len(having)))
        best = max(some, key=lambda row: sum(triple in missing for triple in triples(row)))
        for triple in triples(best):
            missing.pop(triple, None)
        chosen.append(best)
    return sorted(chosen, key=lambda row: [FACTORS[name].index(row[name]) for name in FACTORS])


def name_of(row):
    return '-'.join(['matrix', row['role'], 'v' + row['family'], 'sum', row['checksum'],
                     'c', row['deny'], 'join', row['joins'], row['close'],
                     'tfo' if row['tfo'] == 'on' else '',
                     'cookies' if row['cookies'] == 'on' else '']).replace('--', '-').rstrip('-')


def ends(row):
    """Endpoints of both sides, and who opens the joins."""
    client = 'ours' if row['role'] == 'client' else 'kernel'
    server = FLIP[client]
    mixed = row['family'] == '46'
    if row['joins'] == 'none':
        return {}
    if row['joins'] == 'client':
        return {client: [(2, 'subflow')], 'opener': client, 'subflows': 2}
    opener, other = (client, server) if row['joins'] == 'announced' else (server, client)
    flags = 'signal' if row['joins'] == 'announced' else 'signal port 5100'
    own = {opener: [(2, 'subflow')]} if mixed else {}
    if row['joins'] == 'server' and client == 'ours':
        # A kernel's server joins nothing before its program has accepted, nor later what it was
        # told before that (MPJoinSynTxCreatSkErr).
        flags += ' later'
        own['ours_at'] = [(1, 'add', 2)]
    return {other: [(2, flags)], 'opener': opener, 'subflows': 2, **own}


def settings(row):
    """Arguments of both peers and sysctls of the kernel."""
    client = 'ours' if row['role'] == 'client' else 'kernel'
    args, sysctl = {'ours': [], 'kernel': []}, {}
    if row['checksum'] in ('ours', 'both'):
        args['ours'].append('--checksum')
    if row['checksum'] in ('kernel', 'both'):
        sysctl['net.mptcp.checksum_enabled'] = 1
    if row['deny'] in ('ours', 'both'):
        args['ours'].append('--deny-join')
    if row['deny'] in ('kernel', 'both'):
        sysctl['net.mptcp.allow_join_initial_addr_port'] = 0
    if row['cookies'] == 'on' and client == 'ours':
        sysctl['net.ipv4.tcp_syncookies'] = 2
    elif row['cookies'] == 'on':
        args['ours'].append('--syn-cookies')
    if row['joins'] == 'server' and row['family'] != '4':
        # An IPv6 address with its port has no room beside time stamps.
        sysctl['net.ipv4.tcp_timestamps'] = 0
    if row['tfo'] == 'on':
        sysctl['net.ipv4.tcp_fastopen'] = 3
        args = {side: [*args[side], '--fastopen'] for side in args}
    return args, sysctl


def ending(row, args):
    """How the connection ends: more arguments, byte counts, errors and counters."""
    kind, _, who = row['close'].rpartition('-')
    if row['close'] == 'both':
        return {'bytes_ours': 200 * KB, 'bytes_kernel': 200 * KB}
    if not kind:
        args[FLIP[who]].append('--wait-eof')
        return {f'bytes_{who}': 50 * KB, f'bytes_{FLIP[who]}': 400 * KB}
    other = FLIP[who]
    args[who] += ['--fastclose', str(100 * KB)]
    out = {f'bytes_{other}': 2 * MB, f'{other}_error': 'RESET', 'rate': 50}
    if kind == 'abort':
        both = {'MPRstTx': '>=0', 'MPRstRx': '>=0'}
        out[f'{who}_counters'] = {'MPFastcloseTx': '>=1', **both}
        out[f'{other}_counters'] = {'MPFastcloseRx': '>=1', **both}
        return out
    args[who].append('--plain')
    client = 'ours' if row['role'] == 'client' else 'kernel'
    out['mptcp'] = False
    if who != client:
        count = 2 if row['tfo'] == 'on' else 1
        out[f'{client}_counters'] = {'MPCapableFallbackSYNACK': count}
    return out


def fast_open(row, args, more):
    """A first connection fetches the cookie. It is gone at once, with joins that had begun."""
    client = 'ours' if row['role'] == 'client' else 'kernel'
    if client == 'ours' and not is_plain(row):
        # What its program writes while the third ACK comes in, Linux 6.18 may keep until the next
        # segment: once in some hundred runs.
        args['kernel'].append('--after-handshake')
    prefix = {'ours': '', 'kernel': 'TcpExt'}
    counters = {client: {prefix[client] + 'TCPFastOpenActive': 1},
                FLIP[client]: {prefix[FLIP[client]] + 'TCPFastOpenPassive': 1}}
    loose = {}
    if row['joins'] != 'none':
        loose = {'MPRstTx': '>=0', 'MPRstRx': '>=0', 'MPJoinRejected': '>=0',
                 'MPJoinNoTokenFound': '>=0'}
        more['joins'] = -2
        more['pairs'] = ('MPJoinSynTx', 'MPJoinSynAckRx', 'MPJoinPortSynAckRx', 'AddAddrTx',
                         'EchoAddTx', 'MPRstTx')
    for side, names in counters.items():
        more[f'{side}_counters'] = {**loose, **names, **more.get(f'{side}_counters', {})}


def kernel_forgets(row):
    """With SYN cookies and IPv6, Linux 6.18 may answer a join and not know it any more when the
    last ACK comes: it finds the HMAC wrong and resets, with its own clients as with us. We try
    again, they do not."""
    joined6 = row['family'] != '4' and row['joins'] in ('client', 'announced')
    return joined6 and row['cookies'] == 'on' and row['role'] == 'client'


def by_port(row, more):
    """Counters of a join to a port that was announced; with Fast Open there is one before."""
    once = '>=1' if row['tfo'] == 'on' else 1
    server = 'kernel' if row['role'] == 'client' else 'ours'
    counts = {server: {'MPJoinPortSynAckRx': once},
              FLIP[server]: {'MPJoinPortSynRx': once, 'MPJoinPortAckRx': once}}
    return {f'{side}_counters': {**counts[side], **more.get(f'{side}_counters', {})}
            for side in counts}


def case_of(row):
    args, sysctl = settings(row)
    more = ending(row, args)
    if kernel_forgets(row):
        loose = {'MPRstTx': '>=0', 'MPRstRx': '>=0', 'MPJoinAckHMacFailure': '>=0'}
        for side in ('ours', 'kernel'):
            more[f'{side}_counters'] = {**loose, **more.get(f'{side}_counters', {})}
        more['joins'] = -2
        more['pairs'] = ('MPJoinSynTx', 'MPRstTx')  # it counts a join twice, and no such reset
    if row['joins'] == 'server':
        more.update(by_port(row, more))
    if row['tfo'] == 'on':
        fast_open(row, args, more)
    more.setdefault('pairs', ())
    return Case(name_of(row), row['role'], row['family'], paths=2, twin=False, sysctl=sysctl,
                ours_args=args['ours'], kernel_args=args['kernel'], **ends(row), **more)


def names():
    return [name_of(row) for row in rows()]


def cases():
    return [case_of(row) for row in rows()]


# ---- docs/interop.md ----

INTRODUCTION = """# Interop matrix

`tests/interop/run build -k matrix --table docs/interop.md` runs Plait against the kernel
of the machine, each row in network namespaces of its own, and writes this page. `make check` runs
the same rows and compares. Both ends send and compare byte streams; the counters of both must agree
(`tests/interop/counters.py` has the pairs), nothing but the expected counters may show an error,
and tshark must find no malformed frame and no wrong checksum in any capture.

Where Linux 6.18 does other than one might expect, with its own kind as with us:

* With SYN cookies and IPv6, its server may answer a join and not know it any more when the last ACK
  comes: it finds the HMAC wrong and resets. Our client tries again and gets in, its own does not.
* Its server joins no address before its program has accepted the connection, nor later one that was
  announced before that (`MPJoinSynTxCreatSkErr`).
* What a program writes while the third ACK of a Fast Open comes in, it may keep until the next
  segment from the client: seen once in some hundred runs. In the matrix, its program waits for that
  ACK.
* It cannot announce an IPv6 address with a port beside TCP time stamps, nor can anybody: there is
  no room. Rows of that kind run without time stamps.

{text}

| factor | values |
|---|---|
{factors}

{kernel}: {passed} of {total} pass.

| {head} | result |
|{lines}---|
"""


def explain(name):
    meaning = MEANING.get(name, {})
    return ', '.join(f'`{value}`' + (f' ({meaning[value]})' if value in meaning else '')
                     for value in FACTORS[name])


def page(results, kernel):
    """docs/interop.md; results: name of a row -> its complaints."""
    chosen = rows()
    passed = sum(results.get(name_of(row)) == [] for row in chosen)
    text = (f'The product of all factors has {len(product())} combinations, not all of which make '
            f'sense. The {len(chosen)} rows are chosen such that\nevery three values of different '
            'factors that can meet do meet in some row.')
    parts = {'text': text, 'factors': '\n'.join(f'| {n} | {explain(n)} |' for n in FACTORS),
             'kernel': kernel, 'passed': passed, 'total': len(chosen),
             'head': ' | '.join(FACTORS), 'lines': '---|' * len(FACTORS)}
    body = []
    for row in chosen:
        complaints = results.get(name_of(row), ['not run'])
        values = ' | '.join(row[name].replace('none', '-').replace('off', '-') for name in FACTORS)
        body.append(f'| {values} | {"; ".join(complaints) or "pass"} |')
    return INTRODUCTION.format(**parts) + '\n'.join(body) + '\n'
