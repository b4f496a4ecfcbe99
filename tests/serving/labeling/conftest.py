"""A labeling page on this machine, of a few small photos."""

import http.client
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from manylabel.annotation.label_store import LabelStore
from manylabel.serving.labeling.app import create_labeling_app
from manylabel.serving.labeling.assistant import Assistance, Assistant
from manylabel.serving.labeling.state import LabelingState
from tests.serving.conftest import listening

TOKEN = "t0ken"
NAMES = ("a.jpg", "b #1 100%.jpg", "c.jpg", "in/d.jpg")
TABLE = "image,beach,boat\na.jpg,1,0\n"

# Says that every label is present with 0.75, and that the first photo's boat is an issue.
WORKER = """
import sys
import numpy as np
from manylabel.live_model.messages import *
from manylabel.live_model.pipes import *
source, sink = sys.stdin.buffer, sys.stdout.buffer
n = len(receive(source, TO_WORKER).photos)
send(sink, Seen(n_done=n, n_photos=n))
send(sink, Duplicates(groups=list(range(n))))
while (message := receive(source, TO_WORKER)) is not None:
    if isinstance(message, FindSimilar):
        send(sink, Similar(row=message.row, rows=[message.row]))
        continue
    values = np.full((n, len(message.labels)), 0.75, dtype="<f4")
    values[-1] = np.nan
    issues = [Issue(row=0, label="boat", given=0, probability=0.75, neighbors=[1])]
    estimate = Estimate(n_photos=12, mean_average_precision=0.8, low=0.7, high=0.9, nearest_neighbors=0.6,
                        label_prior=0.3)
    send(sink, Scores(revision=message.revision, labels=message.labels, probabilities=values.tobytes(),
                      estimate=estimate, issues=issues, suggested=[2, 3], seconds=0.1))
"""


@dataclass(frozen=True)
class Answer:
    """What the server answers."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes

    def json(self) -> Any:
        """Return the values of its JSON."""
        return json.loads(self.content)


@dataclass
class Client:
    """A client that keeps the cookie of the page.

    Attributes:
        address: Host and port.
        cookie: The cookie; empty before the page was opened.
    """

    address: tuple[str, int]
    cookie: str = ""

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for something."""
        return self.send("GET", path, None, {name.replace("_", "-"): text for name, text in headers.items()})

    def post(self, path: str, values: object, headers: Mapping[str, str] | None = None) -> Answer:
        """Send values as JSON."""
        headers = {"Content-Type": "application/json", **(headers or {})}
        return self.send("POST", path, json.dumps(values).encode(), headers)

    def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send a request, and read its answer."""
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        connection.request(method, path, body, {"Cookie": self.cookie, **headers})
        with connection.getresponse() as response:
            answer = Answer(status=response.status, headers=response.headers, content=response.read())
        connection.close()
        self.cookie = answer.headers.get("Set-Cookie", self.cookie).partition(";")[0]
        return answer


@dataclass(frozen=True)
class Labeling:
    """A running page, and a client that has opened it."""

    url: str
    client: Client
    store: LabelStore
    photos: Path
    table: Path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of small photos."""
    chance, folder = np.random.default_rng(1), tmp_path / "photos"
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chance.integers(0, 255, (60, 90, 3), dtype=np.uint8)).save(folder / name)
    return folder


@pytest.fixture
def labeling(photos: Path, tmp_path: Path) -> Iterator[Labeling]:
    """Serve the page."""
    table = tmp_path / "labels.csv"
    table.write_text(TABLE)
    with LabelStore(photos, table) as store:
        app = create_labeling_app(LabelingState(store, author="Ada", token=TOKEN))
        with listening(app) as (host, port):
            client = Client((host, port), cookie=f"manylabel_0={TOKEN}")
            yield Labeling(
                url=f"http://{host}:{port}", client=client, store=store, photos=photos, table=table
            )


@pytest.fixture
def assisted(photos: Path, tmp_path: Path) -> Iterator[Labeling]:
    """Serve the page, with help."""
    table = tmp_path / "labels.csv"
    table.write_text(TABLE)
    assistance = Assistance(cache=tmp_path, command=(sys.executable, "-c", WORKER))
    with LabelStore(photos, table) as store:
        assistant = Assistant(store, assistance)
        state = LabelingState(store, author="Ada", token=TOKEN, assistant=assistant)
        with listening(create_labeling_app(state)) as (host, port):
            client = Client((host, port), cookie=f"manylabel_0={TOKEN}")
            url = f"http://{host}:{port}"
            yield Labeling(url=url, client=client, store=store, photos=photos, table=table)
        assistant.close()


OpenPage = Callable[[Labeling], Any]


@pytest.fixture
def open_page(browser: Any) -> Iterator[OpenPage]:
    """Return what opens a page; whatever its console complains about fails the test."""
    pages = []
    complaints: list[str] = []

    def run(labeling: Labeling) -> Any:
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        pages.append(page)
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{labeling.url}/?token={TOKEN}")
        page.wait_for_selector("#photo[style*='visible']")
        return page

    yield run
    for page in pages:
        page.close()
    assert [text for text in complaints if "409 (Conflict)" not in text] == []


@pytest.fixture
def page(labeling: Labeling, open_page: OpenPage) -> Any:
    """Open the page."""
    return open_page(labeling)


def add_labels(labeling: Labeling, *labels: str) -> None:
    """Add labels."""
    for label in labels:
        added = labeling.client.post("/app/labels", {"since": 0, "change": "add", "label": label})
        assert added.status == 200


def wait_for_answer(page: Any, text: str) -> None:
    """Wait until the page has said something, and shows its photo."""
    page.wait_for_selector(f"#status:has-text({text!r})")
    page.wait_for_selector("#photo[style*='visible']", state="attached")
