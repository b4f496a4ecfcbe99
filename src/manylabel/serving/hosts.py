"""Which hosts and origins a server answers.

In:  the address that a server listens on, names from its operator; requests.
Out: the requests of the server's own page and of programs; a refusal for all others.

A browser sends the requests of any page to any server. Two checks keep other sites out:

* The Host header must name this server. A site can let its own name point at 127.0.0.1 (DNS rebinding), and
  its page could then read the answers. An address cannot be pointed elsewhere.
* A request that makes the server compute comes from the server's own page or from a program. A page of
  another site could not read the answer, but could keep the server busy.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from manylabel.errors import ConfigError
from manylabel.serving.limits import Refusal, quoted

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{0,5})?", re.IGNORECASE)
_ANY = "*"
_MOST_SEEN = 64
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_PAGE = frozenset({"same-origin", "none"})  # 'none': a person, through the address bar
_USUAL_PORT = {"http": ":80", "https": ":443"}


class AllowedHosts:
    """The hosts that a server answers for.

    Those of this machine (localhost, 127.0.0.1, [::1]) are always among them. Where the server listens on
    another address, so is every address, for a network may know the machine by several.

    Args:
        bound: The address that the server listens on.
        names: More names, as a Host header has them, without a port. "*" allows every name.

    Raises:
        ConfigError: A name is none.

    Examples:
        >>> hosts = AllowedHosts("0.0.0.0", names=["photos.lan"])
        >>> [hosts.allow(host) for host in ("photos.lan:8000", "192.168.1.5", "evil.example")]
        [True, True, False]
        >>> AllowedHosts("127.0.0.1").allow("192.168.1.5")
        False
    """

    def __init__(self, bound: str = "127.0.0.1", *, names: Sequence[str] = ()) -> None:
        """Read the names."""
        self._allows_all = _ANY in names
        self._names = frozenset(
            {"localhost", _plain(bound), *(_read_name(name) for name in names if name != _ANY)}
        )
        self.allows_addresses = self._allows_all or not is_loopback(bound)

    def allow(self, host: str) -> bool:
        """Return whether a Host header names the server."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = _plain(found[1])
        if name in self._names or self._allows_all:
            return True
        address = _address(name)
        return address is not None and (self.allows_addresses or address.is_loopback)


class KnownHosts:
    """An app that refuses requests for other hosts and from pages of other sites.

    Args:
        app: What answers.
        hosts: The hosts that are answered for.
    """

    def __init__(self, app: ASGIApp, *, hosts: AllowedHosts) -> None:
        """Store the app and the hosts."""
        self._app = app
        self._hosts = hosts
        self._seen: set[bytes] = set()  # headers that were allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "http":
            given = [value for name, value in scope["headers"] if name == b"host"]
            if len(given) != 1 or given[0] not in self._seen:
                self._check_host(given)
            if scope["method"] not in _SAFE_METHODS:
                _check_origin(Headers(scope=scope))
        await self._app(scope, receive, send)

    def _check_host(self, given: Sequence[bytes]) -> None:
        """Refuse a request for another host.

        Raises:
            Refusal: 421 for another host, 400 for none or several.
        """
        # Browsers name a host in every request; old programs and health checks may not.
        if not given and self._hosts.allows_addresses:
            return
        host = given[0].decode("latin-1") if len(given) == 1 else ""
        found = _HOST.fullmatch(host)
        if found is None:
            raise Refusal(400, "the request has no Host header that names one host")
        if not self._hosts.allow(host):
            raise Refusal(
                421,
                f"this server does not answer to {quoted(found[1])}; its option --allow-host NAME adds names",
            )
        if len(self._seen) < _MOST_SEEN:
            self._seen.add(given[0])


def _check_origin(headers: Headers) -> None:
    """Refuse a request that a page of another origin sent.

    The rules are those of Go's http.CrossOriginProtection. Sec-Fetch-Site is what the browser knows; it holds
    where a proxy changes the host. Browsers that do not send it send Origin, programs neither.

    Raises:
        Refusal: 403.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        is_own = site.lower() in _OWN_PAGE
    else:
        is_own = origin is None or _authority(origin) in _authorities(headers.get("host", ""))
    if not is_own:
        raise Refusal(403, "a page of another site may not use this server; open the server's own page")


def _authority(origin: str) -> str:
    """Return host and port of an origin; none match a text that has no scheme."""
    scheme, _, authority = origin.lower().partition("://")
    return authority.removesuffix(_USUAL_PORT.get(scheme, "")) if authority else "null"


def _authorities(host: str) -> tuple[str, ...]:
    """Return a Host header as it is, and without the port that its scheme would not need."""
    plain = host.lower()
    return (plain, *(plain.removesuffix(port) for port in _USUAL_PORT.values()))


def is_loopback(host: str) -> bool:
    """Return whether an address or a name reaches this machine alone."""
    name = _plain(host)
    address = _address(name)
    return name == "localhost" if address is None else address.is_loopback


def _read_name(given: str) -> str:
    """Return a name as browsers send it.

    Raises:
        ConfigError: It is no name of a host.
    """
    name = _plain(given)
    if _address(name) is not None:
        return name
    try:
        name = name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        name = ""
    if re.fullmatch("[a-z0-9._-]+", name) is None:
        raise ConfigError(
            f"--allow-host {given}: expected a name without scheme and port, such as photos.example.org"
        )
    return name


def _plain(name: str) -> str:
    """Return one spelling of a name or an address."""
    plain = name.strip("[]").lower().removesuffix(".")
    address = _address(plain)
    return plain if address is None else str(address)


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
