"""Count what a server does.

In:  requests and photos, one by one.
Out: Prometheus' text format.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["CONTENT_TYPE_LATEST", "Measures"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Measures:
    """Hold the counters of one server."""

    def __init__(self) -> None:
        """Start at zero, in a registry of its own: a program may run several servers."""
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "manylabel_requests", "Requests answered", ["path", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "manylabel_request_seconds",
            "Seconds from a request to its answer",
            ["path"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.photos = Counter(
            "manylabel_photos", "Photos scored or refused", ["model", "outcome"], registry=self._registry
        )
        self.waiting = Gauge(
            "manylabel_photos_waiting", "Photos that wait or are worked on", registry=self._registry
        )

    def text(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self._registry)
