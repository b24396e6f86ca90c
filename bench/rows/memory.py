"""What connections that do nothing cost."""
from common import Case, inproc


def idle(build):
    return {"idle_bytes": inproc(build, "--idle", "1000", "--subflows", "2")["idle_bytes"]}


def cases(build, pair):
    yield Case({"idle_bytes": "bytes"}, lambda: idle(build), exact=True)
