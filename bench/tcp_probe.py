"""CPU of one `tcp` look, the provider alone: beside bare socket calls and prometheus-blackbox-exporter at one port.

All in turn, in slices of as many probes. The listener is a process of its own, whose CPU counts for nobody. The
exporter is asked over HTTP on a kept connection, as Prometheus asks it: what that costs is part of a probe by it.
"""

import asyncio
import contextlib
import http.client
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.daemon import cpu_s
from bench.figures import Beside, Options, Report, median
from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.ports.provider import Look
from kazid.providers.tcp import Tcp

PROBES, QUICK_PROBES = 2000, 500
SLICES, QUICK_SLICES = 5, 2
PEER = "prometheus-blackbox-exporter"
PEER_START_S = 10.0
LISTENER = """
import socket, sys
with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        server.accept()[0].close()
"""
MODULES = "modules:\n  tcp:\n    prober: tcp\n    timeout: 5s\n"


def run(options: Options) -> Report:
    """Slices of the provider, of bare sockets and of the peer, in turn."""
    report = Report(bench="tcp")
    probes = QUICK_PROBES if options.quick else PROBES
    ours: list[float] = []
    bare: list[float] = []
    peers: list[float] = []
    with _listening() as port, _peer(options.folder) as peer:
        for _ in range(QUICK_SLICES if options.quick else SLICES):
            ours.append(asyncio.run(_looks(port, probes)) / probes)
            bare.append(_connects(port, probes) / probes)
            if peer is not None:
                peers.append(_asks(peer, port, probes) / probes)
    beside = [Beside("connect and close, bare sockets", median(bare) * 1000)]
    if peers:
        beside.append(Beside(PEER, median(peers) * 1000))
    else:
        report.skipped.append(f"{PEER}: not on PATH")
    report.add("CPU of one tcp look, the provider alone", median(ours) * 1000, "ms", *beside)
    return report


async def _looks(port: int, probes: int) -> float:
    provider, commands = Tcp(), ScriptedCommandRunner()
    look = Look(predicate_id="p", workspace="/", deadline_s=10.0, path="/bin", wall_s=time.time())
    began_s = time.process_time()
    for _ in range(probes):
        verdict = await provider.evaluate({"port": port}, look, commands)
        assert verdict.is_green, verdict
    return time.process_time() - began_s


def _connects(port: int, probes: int) -> float:
    began_s = time.process_time()
    for _ in range(probes):
        socket.create_connection(("127.0.0.1", port)).close()
    return time.process_time() - began_s


def _asks(peer: tuple[int, int], port: int, probes: int) -> float:
    pid, own_port = peer
    connection = http.client.HTTPConnection("127.0.0.1", own_port, timeout=10)
    began_s = cpu_s(pid)
    for _ in range(probes):
        connection.request("GET", f"/probe?module=tcp&target=127.0.0.1:{port}")
        body = connection.getresponse().read()
        assert b"probe_success 1" in body, body[-200:]
    connection.close()
    return cpu_s(pid) - began_s


@contextlib.contextmanager
def _listening() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", LISTENER], stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        try:
            yield int(listener.stdout.readline())
        finally:
            listener.kill()


@contextlib.contextmanager
def _peer(folder: Path) -> Iterator[tuple[int, int] | None]:
    """The exporter's pid and port, or None where it is not installed."""
    program = shutil.which(PEER)
    if program is None:
        yield None
        return
    config = folder / "blackbox.yml"
    config.write_text(MODULES)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with subprocess.Popen(
        [program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"],
        stderr=subprocess.DEVNULL,
    ) as child:
        try:
            ends_s = time.monotonic() + PEER_START_S
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    assert time.monotonic() < ends_s, f"{PEER} does not start"
                    time.sleep(0.05)
            yield child.pid, port
        finally:
            child.kill()
