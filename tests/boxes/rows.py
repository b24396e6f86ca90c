"""The rows: which box, where, which way, when, and what becomes of the connection.

kernel.tsv has a line for each: role, the columns of tests/golden/boxes.tsv up to the checksum,
what was seen (result and bytes; `a|b`: either), and why `make check` does not ask for it (`-`: it
does). docs/middleboxes.md says what the reasons mean, and where a row is not as on virtual time.
"""

import os
from dataclasses import dataclass, field
from typing import NamedTuple

import cases
import links

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = f'{os.path.dirname(HERE)}/golden/boxes.tsv'
TABLE = f'{HERE}/kernel.tsv'
KEYS = 6  # columns that say which row it is

TOTAL = 600 * cases.KB
MIDDLE = 60 * cases.KB  # of a path's payload, both ways together
MARK = TOTAL // 4 * 3
SHARE_MIN = 0.05         # a path with less of the last quarter carries nothing
PATIENCE = 6             # seconds that a connection without subflows lives, at either end

# The kernel's share of it: without subflows, and with what is not acknowledged.
KERNEL = {'net.mptcp.close_timeout': PATIENCE, 'net.ipv4.tcp_retries2': 5}

CHANGING = ('rewrite', 'grow', 'shrink')
ANNOUNCING = ('add-addr-drop', 'add-addr-alter')
NATS = ('nat', 'rebind')
# Wrong bytes that Linux 6.18 is to blame for (docs/kernel-differences.md).
KERNEL_FAULTS = {('the kernel\'s', 'coalesce'), ('our', 'proxy-ack')}
CLASSES = {'multipath': 'mptcp', 'one-path': 'mptcp'}
HANGS = 'linux-hangs'  # why a row is left out: Linux may never let go of a process


class Known(NamedTuple):
    """What kernel.tsv says of a row."""
    results: set
    unchecked: str  # '', or why


@dataclass
class BoxCase(cases.Case):
    row: tuple = ()
    expected: set = field(default_factory=set)  # what is asked for; empty: nothing
    unchecked: str = ''                         # what kernel.tsv says

    @property
    def box(self):
        return self.row[1]

    @property
    def server(self):
        return 'kernel' if self.role == 'client' else 'ours'

    @property
    def inside(self):
        """The host at whose end the boxes stand."""
        return self.server if self.box in ANNOUNCING else cases.FLIP[self.server]

    @property
    def lossy(self):
        return self.box == 'hole'  # without a loss there is no hole

    def boxes_of(self, path):
        """The boxes of a path as the emulator wants them."""
        _, box, place, way, time, _ = self.row
        if place not in ('all', ('first', 'second')[path - 1]):
            return []
        out = 'to-client' if self.box in ANNOUNCING else 'to-server'
        words = [box]
        if way != 'both':
            words.append('out' if way == out else 'in')
        if time == 'middle':
            words.append(f'after={MIDDLE}')
        if box == 'rewrite':
            words.append('every=4000')
        if box in NATS:
            net = 1 if self.inside == 'ours' else 2
            words.append(f'as=10.10{path}.{net}.{links.NAT_HOST}')
        return ['/'.join(words)]


def wanted(row):
    """A choice: each way on the first path, both on the second and on all; checksums where the
    payload is changed."""
    box, place, way, _, checksum = row
    sided = box.startswith('strip') or box in ('proxy-ack', 'coalesce', *CHANGING)
    only = any(word in box for word in ('syn', 'hole', *ANNOUNCING))  # has no `both`
    return ((way == 'both' or only or (place == 'first' and sided))
            and (checksum == 'on') == (box in CHANGING) and '+' not in box and box != 'nat64')


def read():
    """{row: Known}"""
    with open(GOLDEN, encoding='utf-8') as f:
        golden = [tuple(line.split('\t')[:KEYS - 1]) for line in f.read().splitlines()[1:]]
    rows = {(role, *row): Known(set(), 'new') for role in ('client', 'server')
            for row in golden if wanted(row)}
    if os.path.exists(TABLE):
        with open(TABLE, encoding='utf-8') as f:
            for line in f.read().splitlines()[1:]:
                columns = line.split('\t')
                key = tuple(columns[:KEYS])
                if key not in rows:
                    raise ValueError(f'{TABLE}: no such row: {key}')
                rows[key] = Known(set(columns[KEYS].split('|')), columns[KEYS + 1].strip('-'))
    return rows


def write(rows, seen):
    with open(TABLE, 'w', encoding='utf-8') as f:
        f.write('role\tbox\tplace\tway\ttime\tchecksum\tresult\tunchecked\n')
        for row, known in rows.items():
            new = {coarse(seen[name_of(row)])} if name_of(row) in seen else set()
            results = '|'.join(sorted(known.results | new))
            f.write('\t'.join([*row, results, known.unchecked or '-']) + '\n')


def name_of(row):
    role, box, place, way, time, _ = row
    return f'{role}-{box}-{place}-{way}-{time}'


def case_of(row, known, options):
    role, box, _, _, time, checksum = row
    ours = ['--any-bytes'] + (['--checksum'] if checksum == 'on' else [])
    hasty = known.unchecked and not options.twin  # where nobody has to wait, a slow machine may
    if hasty:
        ours += ['--patience', str(PATIENCE)]
    server = 'kernel' if role == 'client' else 'ours'
    ends = ({server: [(2, 'signal')]} if box in ANNOUNCING
            else {cases.FLIP[server]: [(2, 'subflow')]})
    return BoxCase(name_of(row), role, paths=2, bytes_ours=TOTAL, bytes_kernel=TOTAL,
                   ours_args=ours, kernel_args=['--any-bytes'], capture=bool(options.keep),
                   ours_at=[] if options.twin else [(MARK, 'mark', 1)], row=row,
                   expected=set() if options.update else known.results,
                   unchecked=known.unchecked, subflows=2 if time == 'middle' else 1,
                   sysctl=KERNEL if known.unchecked else {}, **ends)


def all_cases(rows, options):
    return [case_of(row, known, options) for row, known in rows.items()]


# ---- what was seen ----

def result_of(case, results):
    """Class, what each end was told, and whether bytes were changed."""
    ours, kernel = results['ours'], results['kernel']
    told = [end.get('error', 'no report') or 'eof' for end in (ours, kernel)]
    changed = ' changed' if ours.get('altered') or kernel.get('altered') else ''
    if told != ['eof', 'eof']:
        return f'error {told[0]}/{told[1]}'
    if not ours.get('is_mptcp') or not kernel.get('is_mptcp'):
        return 'fallback' + changed
    return ('multipath' if carries(ours) >= 2 else 'one-path') + changed


def carries(ours):
    """How many paths carried payload in the last quarter."""
    shares = {}
    for subflow in ours.get('subflows', []):
        shares[subflow['port']] = shares.get(subflow['port'], 0) + subflow['since_mark']
    total = sum(shares.values())
    return sum(share > total * SHARE_MIN for share in shares.values())


def coarse(seen):
    words = seen.split()
    words[0] = CLASSES.get(words[0], words[0])
    return words[0] if words[0] == 'error' else ' '.join(words)


def complaints(case, results, seen, acted):
    """What must not be, whatever the box does."""
    ours, kernel = results['ours'], results['kernel']
    if acted == 0 and case.row[2] != 'second':  # Linux need not have used that one yet
        yield 'the box never did anything'
    if ours.get('error', 'no report') in ('no report', 'no end in time'):
        yield f"our end: {ours.get('error', 'no report')}"
    if case.box in CHANGING:
        if 'changed' in seen and seen.split()[0] in CLASSES:
            yield 'changed bytes got through a checksum'
        return
    for side, end in (('our', ours), ('the kernel\'s', kernel)):
        if end.get('altered') and (side, case.box) not in KERNEL_FAULTS:
            yield f'wrong bytes at {side} end'
