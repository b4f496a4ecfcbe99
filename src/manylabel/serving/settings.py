"""What a server takes and what it refuses.

In:  the operator's wishes.
Out: limits, checked.
"""

import math
from dataclasses import dataclass

from manylabel.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ServeLimits:
    """Hold what one request, and all of them together, may ask for.

    Attributes:
        request_mb: Largest body of a request in megabytes.
        photos: Most photos in a request.
        megapixels: Largest photo, in millions of pixels; it is refused before its pixels are read.
        seconds: Longest time from the head of a request to its answer.
        idle_seconds: Longest time that a connection may take to send the head of a request, the first or the
            next. A body must bring 1000 bytes per second, measured over this time.
        waiting: Most photos that wait or are worked on, of all requests, at least ``photos``; where a request
            would exceed it, the answer is 503.
        body_mb: Most megabytes of bodies that are being received or worked on, of all requests, at least
            ``request_mb``; where a request would exceed it, the answer is 503. Counted is what has come.
        connections: Most connections at the same time; fewer where the system lets this process open fewer
            files. Beyond it, the one that has been idle for longest is closed. Where all are at work,
            ``/health`` is still answered, and everything else is 503.

    Raises:
        ConfigError: A limit is not above 0, or below another one that it must hold.
    """

    request_mb: float = 64.0
    photos: int = 64
    megapixels: float = 64.0
    seconds: float = 60.0
    idle_seconds: float = 10.0
    waiting: int = 256
    body_mb: float = 512.0
    connections: int = 1000

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise ConfigError(f"limit {name}: expected a number above 0, got {value}")
        if min(self.request_bytes, self.pixels) < 1:
            raise ConfigError("limits: less than a byte or a pixel lets nothing in")
        for name, other in (("photos", "waiting"), ("request_mb", "body_mb")):
            least, most = getattr(self, name), getattr(self, other)
            if least > most:
                raise ConfigError(
                    f"limit {other}: {most} of all requests is less than {name}, {least} of one; raise "
                    f"--max-{other.replace('_', '-')} or lower --max-{name.replace('_', '-')}"
                )

    @property
    def request_bytes(self) -> int:
        """Return the largest body of a request in bytes."""
        return int(self.request_mb * 1e6)

    @property
    def body_bytes(self) -> int:
        """Return the most bytes of bodies, of all requests together."""
        return int(self.body_mb * 1e6)

    @property
    def pixels(self) -> int:
        """Return the largest photo in pixels."""
        return int(self.megapixels * 1e6)
