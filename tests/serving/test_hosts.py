"""Which hosts and origins are answered."""

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from manylabel.errors import ConfigError
from manylabel.serving.hosts import AllowedHosts, KnownHosts, is_loopback
from manylabel.serving.limits import ServeLimits
from manylabel.serving.middleware import BoundedRequests


async def say_ok(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


def client_of(hosts: AllowedHosts, *, url: str = "http://localhost:8000") -> TestClient:
    """Return a client of an app that answers for some hosts."""
    app = Starlette(routes=[Route("/", say_ok, methods=["GET", "POST"])])
    app.add_middleware(KnownHosts, hosts=hosts)
    app.add_middleware(BoundedRequests, limits=ServeLimits())
    return TestClient(app, base_url=url)


@pytest.fixture
def client() -> Iterator[TestClient]:
    """Return a client of a server that listens on this machine alone."""
    with client_of(AllowedHosts()) as client:
        yield client


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        *(
            (host, True)
            for host in ("localhost", "LOCALHOST:80", "localhost.", "127.0.0.1", "127.8.0.1:1", "[::1]:9")
        ),
        *(
            (host, False)
            for host in ("evil.example", "evil.example:8000", "localhost.evil.example", "10.0.0.1")
        ),
        *(
            (host, False)
            for host in ("", "a b", "localhost:x", "localhost:123456", "user@localhost", "[::1", "127.1")
        ),
        *((host, False) for host in ("localhost, evil.example", "2130706433", "0.0.0.0", "[::]")),
    ],
)
def test_a_server_of_this_machine_answers_for_it_alone(host: str, is_allowed: bool) -> None:
    assert AllowedHosts().allow(host) == is_allowed


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "192.168.1.5", "box.lan", ""])
def test_a_server_of_a_network_answers_for_addresses_and_its_name(bound: str) -> None:
    hosts = AllowedHosts(bound)
    assert all(map(hosts.allow, ("192.168.1.5:8000", "[fe80::1]:8000", "localhost", "127.0.0.1:8000")))
    assert not hosts.allow("evil.example")
    assert hosts.allow("box.lan:8000") == (bound == "box.lan")


@pytest.mark.parametrize(
    ("names", "host", "is_allowed"),
    [
        (["photos.lan"], "Photos.LAN:8000", True),
        (["photos.lan"], "other.photos.lan", False),
        (["b\xfccher.example"], "xn--bcher-kva.example", True),
        (["[fe80::1]", "10.0.0.1"], "[FE80:0::1]:1", True),
        (["10.0.0.1"], "10.0.0.2", False),
        (["*"], "any.example", True),
        (["*"], "a b", False),
    ],
)
def test_names_of_the_operator_are_allowed(names: list[str], host: str, is_allowed: bool) -> None:
    assert AllowedHosts(names=names).allow(host) == is_allowed


@pytest.mark.parametrize("name", ["http://photos.lan", "photos.lan:8000", "", "a b", "a/b", "*.photos.lan"])
def test_what_is_no_name_is_told(name: str) -> None:
    with pytest.raises(ConfigError, match=r"--allow-host .*: expected a name without scheme and port"):
        AllowedHosts(names=[name])


@pytest.mark.parametrize(
    ("host", "status"), [("evil.example", 421), ("10.0.0.1:8000", 421), ("a b", 400), ("", 400)]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_requests_for_another_host_are_refused(
    host: str, status: int, method: str, client: TestClient
) -> None:
    answer = client.request(method, "/", headers={"Host": host})
    assert answer.status_code == status
    said = answer.json()["detail"]
    assert said.startswith(
        "this server does not answer to" if status == 421 else "the request has no Host header"
    )


def test_old_programs_without_a_host_are_answered_where_addresses_are() -> None:
    async def answer(scope: object, receive: object, send: object) -> None:
        answered.append(True)

    answered: list[bool] = []
    scope = {"type": "http", "method": "GET", "headers": []}
    app = KnownHosts(answer, hosts=AllowedHosts("0.0.0.0"))
    with pytest.raises(StopIteration):
        app(scope, None, None).send(None)  # type: ignore[arg-type]
    assert answered


OWN, OTHER = "http://localhost:8000", "http://localhost:3000"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": OWN}, 200),
        ({"Origin": OWN.upper()}, 200),
        ({"Origin": OTHER}, 403),
        ({"Origin": "http://localhost"}, 403),
        ({"Origin": "http://evil.example:8000"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "localhost:8000"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": OWN}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site", "Origin": OTHER}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": OWN}, 403),
    ],
)
def test_a_page_of_another_site_makes_nothing_computed(
    headers: dict[str, str], status: int, client: TestClient
) -> None:
    answer = client.post("/", headers=headers)
    assert answer.status_code == status
    assert status == 200 or answer.json()["detail"].startswith(
        "a page of another site may not use this server"
    )
    assert client.get("/", headers=headers).status_code == 200


def test_a_proxy_that_ends_tls_may_pass_the_host_on() -> None:
    with client_of(AllowedHosts(names=["photos.lan"]), url="http://photos.lan") as client:
        assert client.post("/", headers={"Origin": "https://photos.lan"}).status_code == 200
        assert client.post("/", headers={"Origin": "https://photos.lan:444"}).status_code == 403


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("", False),
        ("box.lan", False),
    ],
)
def test_addresses_that_reach_this_machine_alone_are_known(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected
