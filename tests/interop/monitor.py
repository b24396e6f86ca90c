"""The story that `ip mptcp monitor` tells in the kernel's namespace, beside the one of our monitor.

A case names what each end must have seen between ESTABLISHED and CLOSED. What both ends see must
have the same fields, seen from the other side. Left open is what depends on who is faster, or on
a packet that is repeated: a REMOVE_ADDR may come before or after the end of its subflow, and
ANNOUNCED, REMOVED and SF_PRIO come once for each option that arrives.
"""

import re

# iproute2 knows these by name since 6.2.
UNKNOWN = {'15': 'LISTENER_CREATED', '16': 'LISTENER_CLOSED'}
REPEATED = ('ANNOUNCED', 'REMOVED', 'SF_PRIO')
MIRRORED = ('CREATED', 'ESTABLISHED', 'SF_ESTABLISHED', 'SF_CLOSED')


def listens(pid):
    """Whether a process has joined a group of generic netlink in its namespace."""
    try:
        with open(f'/proc/{pid}/net/netlink', encoding='utf-8') as f:
            rows = [line.split() for line in f][1:]
    except OSError:
        return False
    return any(row[1] == '16' and row[2] == str(pid) and int(row[3], 16) for row in rows)


def parse_line(line):
    """An event as our peer reports it, or None."""
    head = re.match(r'\[ *(UNKNOWN )?(\w+)\]', line)
    if not head:
        return None
    words = dict(re.findall(r'(\w+)=(\S+)', line))
    return {'name': UNKNOWN.get(head[2], head[2]) if head[1] else head[2],
            'local': [words.get('saddr4', words.get('saddr6', '')), int(words.get('sport', 0))],
            'remote': [words.get('daddr4', words.get('daddr6', '')), int(words.get('dport', 0))],
            'locid': int(words.get('locid', 0)), 'remid': int(words.get('remid', 0)),
            'backup': words.get('backup', '0') != '0',
            'server_side': 'server_side' in line or bool(int(words.get('flags', '0'), 0) & 2)}


def kernel_events(path):
    with open(path, encoding='utf-8') as f:
        return [event for event in map(parse_line, f) if event]


def once(events):
    """Without repetitions."""
    kept = []
    for event in events:
        again = [e for e in kept if e['name'] == event['name'] and e['remid'] == event['remid']]
        if event['name'] not in REPEATED or not again:
            kept.append(event)
    return kept


def names_of(events):
    """In their order, REMOVED before the end of the subflow; listeners apart."""
    names = [event['name'] for event in events if not event['name'].startswith('LISTENER')]
    for i in range(len(names) - 1):
        if names[i:i + 2] == ['SF_CLOSED', 'REMOVED']:
            names[i:i + 2] = ['REMOVED', 'SF_CLOSED']
    return names


def judge_names(side, events, wanted, server):
    seen = names_of(events)
    if seen != wanted:
        yield f'{side} monitor said {" ".join(seen)}, not {" ".join(wanted)}'
    listeners = [e['name'] for e in events if e['name'].startswith('LISTENER')]
    if server != (listeners[:1] == ['LISTENER_CREATED']) or \
            (listeners and events[0]['name'] != 'LISTENER_CREATED'):
        yield f'{side} monitor said of listeners: {listeners}'


def mirror(event):
    return {**event, 'local': event['remote'], 'remote': event['local'], 'locid': event['remid'],
            'remid': event['locid'], 'server_side': not event['server_side']}


def judge_fields(kernel, ours):
    """What both have seen, from both sides."""
    for name in MIRRORED:
        pairs = zip(*([e for e in events if e['name'] == name] for events in (kernel, ours)))
        fields = ['local', 'remote', 'locid', 'remid']
        if not name.startswith('SF'):
            fields.append('server_side')
        for theirs, event in pairs:
            other = mirror(theirs)
            yield from (f'{name}: {field} is {event[field]} and not {other[field]}'
                        for field in fields if event[field] != other[field])


def judge_told(side, told, teller):
    """What only one has seen: the announced address was joined, the changed subflow is one."""
    subflows = [e for e in teller if e['name'] == 'SF_ESTABLISHED']
    joined_to = [[e['locid'], e['local']] for e in subflows]
    for event in told:
        if event['name'] == 'ANNOUNCED' and [event['remid'], event['remote']] not in joined_to:
            yield f'{side} monitor: no subflow to what was ANNOUNCED: {event["remote"]}'
        if event['name'] == 'SF_PRIO' and event['local'] not in [e['remote'] for e in subflows]:
            yield f'{side} monitor: SF_PRIO of no subflow: {event["local"]}'


def judge_backup(side, events, asked):
    """A monitor says what the peer wants of a new subflow, not what its own host wants."""
    for event in events:
        if event['name'] == 'SF_ESTABLISHED' and event['backup'] != asked:
            yield f'{side} monitor: backup is {event["backup"]} in SF_ESTABLISHED'


def judge(case, path, result):
    """All complaints; `path` is the output of ip, `result` our peer's report."""
    kernel, ours = once(kernel_events(path)), once(result.get('monitor', []))
    for side, events in (('kernel', kernel), ('ours', ours)):
        server = (case.role == 'server') == (side == 'ours')
        yield from judge_names(side, events, case.monitor[side].split(), server)
        other = 'ours' if side == 'kernel' else 'kernel'
        asked = any('backup' in flags for _, flags in getattr(case, other))
        yield from judge_backup(side, events, asked)
    yield from judge_fields(kernel, ours)
    yield from judge_told('kernel', kernel, ours)
    yield from judge_told('ours', ours, kernel)
