"""What all requests share.

In:  bundles, limits, a token; requests and photos, one by one.
Out: the bundle that a request asks for, room in the queue, permission to ask at all; counters in the text
     format of Prometheus.
"""

import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from manylabel.serving.limits import ServeLimits
from manylabel.serving.served import ServedBundle

_RETRY_SECONDS = 1
_MOST_EXPLAINED = 8
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class ServerState:
    """What all requests share.

    Args:
        bundles: What is served, at least one; the first answers where a request names none.
        limits: What is refused.
        token: What clients must send; None where everybody may ask.
    """

    def __init__(self, bundles: Sequence[ServedBundle], *, limits: ServeLimits, token: str | None) -> None:
        """Start with an empty queue."""
        self.bundles = {bundle.name: bundle for bundle in bundles}
        self.limits = limits
        self.measures = Measures()
        self._token = token
        self._n_waiting = 0
        self._n_explained = 0

    def choose(self, name: str | None) -> ServedBundle:
        """Return the bundle of a name.

        Raises:
            HTTPException: 404: there is none.
        """
        if name is None:
            return next(iter(self.bundles.values()))
        if name not in self.bundles:
            raise HTTPException(404, f"no bundle '{name}' is served; there are: {', '.join(self.bundles)}")
        return self.bundles[name]

    @contextmanager
    def queued(self, n_photos: int) -> Iterator[None]:
        """Keep room in the queue for some photos while they are worked on.

        Raises:
            HTTPException: 503: too many wait already.
        """
        most = self.limits.waiting
        if self._n_waiting + n_photos > most:
            raise _ask_later(f"{self._n_waiting} photos are already waiting, and at most {most} may")
        self._n_waiting += n_photos
        self.measures.waiting.set(self._n_waiting)
        try:
            yield
        finally:
            self._n_waiting -= n_photos
            self.measures.waiting.set(self._n_waiting)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Keep room for a photo while its heat map is made; there are few, because each takes all cores.

        Raises:
            HTTPException: 503: too many wait already.
        """
        if self._n_explained >= _MOST_EXPLAINED:
            raise _ask_later(f"{self._n_explained} heat maps are already waiting, and no more may")
        self._n_explained += 1
        try:
            yield
        finally:
            self._n_explained -= 1

    def admit(self, token: str) -> None:
        """Check the token of a request.

        Raises:
            HTTPException: 401: its token is missing or wrong.
        """
        # In constant time, so that the time does not reveal how much of a wrong token is right.
        if self._token is not None and not hmac.compare_digest(token.encode(), self._token.encode()):
            raise HTTPException(401, "the token is missing or wrong", headers={"WWW-Authenticate": "Bearer"})


def _ask_later(why: str) -> HTTPException:
    return HTTPException(503, f"{why}; try again soon", headers={"Retry-After": str(_RETRY_SECONDS)})


# Both async, though they wait for nothing: FastAPI runs plain functions in threads, two hops per request.
async def the_server(request: Request) -> ServerState:
    """Return what all requests of an app share."""
    state: ServerState = request.app.state.server
    return state


Server = Annotated[ServerState, Depends(the_server)]
_bearer = HTTPBearer(auto_error=False)


async def check_token(
    server: Server, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Refuse requests without the token.

    Raises:
        HTTPException: 401: the token is missing or wrong.
    """
    server.admit("" if given is None else given.credentials)


class Measures:
    """The counters of one server."""

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
            "manylabel_photos_waiting", "Photos waiting or being processed", registry=self._registry
        )

    def text(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self._registry)
