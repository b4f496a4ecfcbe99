"""Part (f): photos per second over HTTP.

In:  small photos (256 px), two networks.
Out: cases: a server of manylabel under clients of two kinds, and the bare engine on ready pixels.
"""

from collections.abc import Sequence
from functools import partial

from benchmarks.cases import Case, Settings, manylabel_environment, worker_command
from benchmarks.throughput import PACKAGES, bundle_of, make_bundle, small_photos
from benchmarks.workers.common import read_values

NETWORKS = ("mobilenet_v2", "resnet50")

CLIENTS = {"8 clients, 1 photo a request": (8, 1), "4 clients, 16 photos a request": (4, 16)}
"""Clients at the same time, and how many photos each sends at once."""

N_REQUESTS = 10_000
"""Requests of the first kind: enough to see whether memory grows."""


def list_cases(settings: Settings) -> list[Case]:
    """List the bare engine and both kinds of clients, for both networks."""
    cases = []
    for network in NETWORKS:
        bare = worker_command(settings, "bare_engine", "--network", network)
        cases.append(_case(settings, network, "bare engine", bare))
        for clients, (n_clients, n_photos) in CLIENTS.items():
            n_requests = N_REQUESTS if n_photos == 1 else N_REQUESTS // n_photos
            command = worker_command(
                settings,
                "serving_load",
                *("--bundle", str(bundle_of(settings, network)), "--photos", str(small_photos(settings))),
                *("--clients", str(n_clients), "--photos-per-request", str(n_photos)),
                *("--requests", str(n_requests)),
            )
            cases.append(_case(settings, network, clients, command))
    return cases


def _case(settings: Settings, network: str, clients: str, command: Sequence[str]) -> Case:
    return Case(
        key={"network": network, "clients": clients},
        command=command,
        environment=manylabel_environment(str(settings.work / "cache")),
        read=read_values,
        packages=(*PACKAGES, "fastapi", "uvicorn"),
        prepare=partial(make_bundle, settings, network),
    )
