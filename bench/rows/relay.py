"""Through the whole of `plait run`."""
from common import Case


def relay(build, pair, name, port, reverse):
    plait = [f"{build}/plait", "run", "--"]
    return Case({name: "Gb/s"}, lambda: {name: pair.iperf(plait, port, reverse)},
                lambda: {name: pair.iperf([], 5201, reverse)}, "kernel TCP", root=True)


def cases(build, pair):
    yield relay(build, pair, "run_goodput", 5202, False)
    yield relay(build, pair, "run_goodput_down", 5202, True)
    yield relay(build, pair, "run_goodput_plain", 5201, False)
