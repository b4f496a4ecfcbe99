"""What a server takes and what it refuses.

In:  the operator's wishes.
Out: limits, checked.
"""

from dataclasses import dataclass

from manylabel.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ServeLimits:
    """Hold what one request, and all of them together, may ask for.

    Attributes:
        request_mb: Largest body of a request in megabytes.
        photos: Most photos in a request.
        megapixels: Largest photo, in millions of pixels; it is refused before its pixels are read.
        seconds: Longest time from the first byte of a request to its answer.
        waiting: Most photos that wait or are worked on, of all requests; where a request would exceed it, the
            answer is 503.
        connections: Most connections at a time.

    Raises:
        ConfigError: A limit is not above 0.
    """

    request_mb: float = 64.0
    photos: int = 64
    megapixels: float = 64.0
    seconds: float = 60.0
    waiting: int = 256
    connections: int = 256

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, value in vars(self).items():
            if not value > 0:
                raise ConfigError(f"limit {name}: expected more than 0, got {value}")

    @property
    def request_bytes(self) -> int:
        """Return the largest body of a request in bytes."""
        return int(self.request_mb * 1e6)

    @property
    def pixels(self) -> int:
        """Return the largest photo in pixels."""
        return int(self.megapixels * 1e6)
