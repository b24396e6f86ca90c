"""Counters of both ends that count the same event: what one sends, the other receives.

Names and meanings are Linux's (`nstat`, MPTcpExt...), so each pair is compared both ways.
docs/counters.md has a row for each counter.
"""

import re
from typing import NamedTuple

# Equal when nothing is lost on the way. The right side may be a sum.
SAME = [
    ('MPCapableSYNTX', ['MPCapableSYNRX']),
    ('MPCapableSYNACKRX', ['MPCapableACKRX']),   # one of each for every connection
    ('MPJoinSynTx', ['MPJoinSynRx']),
    ('MPJoinSynAckRx', ['MPJoinAckRx', 'MPJoinAckHMacFailure']),
    ('MPJoinPortSynAckRx', ['MPJoinPortAckRx']),
    ('AddAddrTx', ['AddAddr']),
    ('EchoAddTx', ['EchoAdd']),
    ('RmAddrTx', ['RmAddr']),
    ('MPPrioTx', ['MPPrioRx']),
    ('MPFailTx', ['MPFailRx']),
    ('InfiniteMapTx', ['InfiniteMapRx']),
]
# What ends a connection is sent on every subflow, and the first to arrive ends it there: the
# others find nobody to count them.
AT_MOST = [('MPFastcloseTx', 'MPFastcloseRx'), ('MPRstTx', 'MPRstRx')]

PARTNERS = {name for pair in AT_MOST for name in pair}.union(
    *({name, *others} for name, others in SAME))


def differences(counters, exempt=()):
    """Sentences about pairs that do not agree; counters has keys 'ours' and 'kernel'."""
    for here, there in (('ours', 'kernel'), ('kernel', 'ours')):
        mine, others = counters[here], counters[there]
        for name, names in SAME:
            got = sum(others.get(other, 0) for other in names)
            if name not in exempt and mine.get(name, 0) != got:
                yield f'{here} {name} is {mine.get(name, 0)}, {there} {"+".join(names)} {got}'
        for name, other in AT_MOST:
            sent, got = mine.get(name, 0), others.get(other, 0)
            if name not in exempt and (got > sent or (sent > 0) > (got > 0) and 'Fast' in name):
                yield f'{here} {name} is {sent}, {there} {other} {got}'


class Row(NamedTuple):
    """A line of docs/counters.md."""
    name: str
    other: str   # the kernel's counter of the same event, or '-'; in the second table its name
    shown: str   # tests in backquotes, or `no: ` and why it is not counted

    @property
    def tests(self):
        return re.findall(r'`([^`]+)`', self.shown)


def documented(root):
    """The rows of docs/counters.md."""
    with open(f'{root}/docs/counters.md', encoding='utf-8') as f:
        fields = [line.strip().strip('|').split(' | ') for line in f if line.startswith('| ')]
    return [Row(x[0].strip(), x[2].strip(), x[3].strip()) for x in fields
            if len(x) == 4 and x[0].strip() != 'counter']


def not_counted(rows, seen):
    """What docs/counters.md says that interop cases count, and they did not. seen: name of a case
    that ran -> its counters, as above."""
    for row in rows:
        for test in row.tests:
            case = seen.get(test.removeprefix('interop:')) if test.startswith('interop:') else None
            if case is None:
                continue
            if not case['ours'].get(row.name, 0):
                yield f'{test}: our {row.name} is 0'
            if row.other in PARTNERS and not case['kernel'].get(row.other, 0):
                yield f"{test}: the kernel's {row.other} is 0"
