"""Counters of both ends that count the same event: what one sends, the other receives.

Names and meanings are Linux's (`nstat`, MPTcpExt...), so each pair is compared both ways.
"""

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
