"""Bulk transfer through one connection."""
from common import Case, inproc


def self_case(build, name, *args):
    return Case({name: "Gb/s"}, lambda: {name: inproc(build, "--tso", *args)["gbps"]})


def cases(build, pair):
    yield self_case(build, "self_1sf")
    yield self_case(build, "self_2sf", "--subflows", "2")
    yield self_case(build, "self_csum", "--checksum")
    yield Case({"segments_per_s": "1/s"},
               lambda: {"segments_per_s": inproc(build, "--subflows", "2")["segments_per_s"]})
