"""Bulk transfer through one connection."""
from common import Case, inproc


def self_case(build, name, *args):
    return Case({name: "Gb/s"}, lambda: {name: inproc(build, "--tso", *args)["gbps"]})


def segments_case(build, name, *args):
    """Packets of 1500 bytes, every checksum computed and verified."""
    args = ("--sums", "--subflows", "2", *args)
    return Case({name: "1/s"}, lambda: {name: inproc(build, *args)["segments_per_s"]})


def cases(build, pair):
    yield self_case(build, "self_1sf")
    yield self_case(build, "self_2sf", "--subflows", "2")
    yield self_case(build, "self_csum", "--checksum")
    yield segments_case(build, "segments_per_s", "--cut")
    yield segments_case(build, "segments_per_s_each")
