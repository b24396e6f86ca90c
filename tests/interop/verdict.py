"""What must hold after a case; returns sentences, one per thing that does not."""

import counters as pairs

# Counters that say that something went wrong, at either end, unless a case expects them.
BAD = ['MPJoinSynAckHMacFailure', 'MPJoinAckHMacFailure', 'MPJoinNoTokenFound', 'MPJoinRejected',
       'MPCapableFallbackACK', 'MPCapableFallbackSYNACK', 'MPCapableDataFallback',
       'MPFallbackTokenInit', 'DSSNotMatching', 'DSSCorruptionFallback', 'DSSCorruptionReset',
       'DSSNoMatchTCP', 'DataCsumErr', 'InfiniteMapTx', 'InfiniteMapRx', 'MPFailTx', 'MPFailRx',
       'MPFastcloseTx', 'MPFastcloseRx', 'MPRstTx', 'MPRstRx', 'MismatchPortSynRx',
       'MismatchPortAckRx', 'DssFallback', 'FallbackFailed', 'SimultConnectFallback',
       'AddAddrDrop', 'RmAddrDrop', 'Blackhole', 'TcpInCsumErrors', 'DropTruncated',
       'DropChecksum', 'DropBadOption', 'DropMemory']

# Our names of the errors that the kernel calls otherwise; it says EPIPE to a writer.
ERROR_NAMES = {'ECONNRESET': 'RESET', 'EPIPE': 'RESET'}

HELLO = 1000  # bytes that go before the joins are waited for


def matches(value, wanted):
    if isinstance(wanted, str) and wanted.startswith('>='):
        return value >= int(wanted[2:])
    return value == wanted


def judge_counters(side, counters, expected):
    for name in list(expected) + [bad for bad in BAD if bad not in expected]:
        value, wanted = counters.get(name, 0), expected.get(name, 0)
        if not matches(value, wanted):
            yield f'{side} {name} is {value}, not {wanted}'


def judge_joins(case, counters):
    """A completed join is an answered SYN at the opener and a right last ACK at the other."""
    if case.joins == -2:
        return
    wanted = case.joins if case.joins >= 0 else case.subflows - 1
    opener = case.join_opener
    other = 'kernel' if opener == 'ours' else 'ours'
    for side, name in ((opener, 'MPJoinSynAckRx'), (other, 'MPJoinSynRx'),
                       (other, 'MPJoinAckRx')):
        if name in getattr(case, side + '_counters'):
            continue
        value = counters[side].get(name, 0)
        if value != wanted:
            yield f'{side} {name} is {value}, not {wanted}'


def judge_result(case, side, result):
    """One end's own report."""
    error = getattr(case, side + '_error')
    seen = ERROR_NAMES.get(result.get('error'), result.get('error', 'no report'))
    if seen != error:
        yield f'{side}: {seen or "no error"}, not {error or "none"}'
        return
    if error or result.get('aborted'):
        return
    wanted = getattr(case, 'bytes_' + ('kernel' if side == 'ours' else 'ours'))
    if result['received'] != wanted:
        yield f'{side} received {result["received"]} bytes of {wanted}'
    if bool(result.get('is_mptcp')) != case.mptcp:
        yield f'{side} is_mptcp is {result.get("is_mptcp")}'
    if not result.get('released') and getattr(case, 'bytes_' + side) > HELLO:
        yield f'{side} saw only {result.get("subflows_max")} of {case.subflows} subflows'
    if result.get('left'):
        yield f'{side} keeps {result["left"]} connections'
    elif result.get('memory_left'):
        yield f'{side} keeps {result["memory_left"]} bytes of payload'
    if case.mptcp and 'checksum' in result:
        on = '--checksum' in case.ours_args or 'net.mptcp.checksum_enabled' in case.sysctl
        if bool(result['checksum']) != on:
            yield f'{side} checksum is {result["checksum"]}'


def judge_shares(case, result):
    """How much our scheduler gave to a subflow; only our peer reports that. A subflow whose
    retransmission timer ran out counts as dead for a while, and then backups work, too."""
    subflows = result['subflows']
    if result['counters'].get('Timeouts'):
        return
    for number, (least, most) in case.shares.items():
        if number > len(subflows):
            yield f'ours has no subflow {number}'
        elif not least <= subflows[number - 1]['sent'] / case.bytes_ours <= most:
            yield f'ours sent {subflows[number - 1]["sent"]} bytes on subflow {number}'


def judge(case, results, counters):
    """All complaints about a case; results and counters have keys 'ours' and 'kernel'."""
    for side in ('ours', 'kernel'):
        yield from judge_result(case, side, results[side])
    for side in ('ours', 'kernel'):
        yield from judge_counters(side, counters[side], getattr(case, side + '_counters'))
    if case.mptcp:
        yield from judge_joins(case, counters)
    if case.pairs is not None and case.mptcp:
        yield from pairs.differences(counters, case.pairs)
    if 'subflows' in results['ours']:
        yield from judge_shares(case, results['ours'])
