"""Label photos in a real browser by keys only, with the truth as the person, and time what it waits for.

In:  photos, their true labels.
Out: milliseconds of the server per change, seconds from an answer to new suggestions, the first paint.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workers.browser import add_labels, browser_parser, opened_app
from benchmarks.workers.common import write_values
from manylabel.data.formats import read_table

_KEYS = "1234567890abcdefhijklmopqrtvwxy"
_SERVER_MS = """() => performance.getEntriesByType('resource')
    .filter((entry) => entry.name.endsWith('/app/answers'))
    .map((entry) => entry.responseStart - entry.requestStart)"""
_PAINT_MS = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
_SUGGESTION_WAIT_MS = 700


def main() -> None:
    """Measure."""
    parser = browser_parser()
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    given = parser.parse_args()
    truth = read_table(given.labels, photos=given.photos)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "labels.csv"
        with opened_app([str(given.photos), str(table)], browser=given.browser) as page:
            values = label_all(page, truth.names, list(truth.labels), truth.targets)
        written = read_table(table, photos=given.photos)
    order = [written.names.index(name) for name in truth.names]
    columns = [written.labels.index(label) for label in truth.labels]
    is_same = np.array_equal(written.targets[np.ix_(order, columns)], truth.targets)
    write_values(given.out, {**values, "is_same": float(is_same)})


def label_all(page: Any, names: tuple[str, ...], labels: list[str], targets: Any) -> dict[str, float]:
    """Add the labels, answer for all photos; return what it took."""
    page.wait_for_selector("#photo[style*='visible']")
    paint_ms = float(page.evaluate(_PAINT_MS))
    page.evaluate("() => performance.setResourceTimingBufferSize(100_000)")
    add_labels(page, labels)
    n_keys, refits = 0, list[float]()
    while not page.locator("#done").is_visible():
        name = page.locator("#name").inner_text()
        row = names.index(name)
        n_keys += answer_photo(page, labels, targets[row])
        if page.locator("#status").inner_text().startswith("Suggestions have just appeared"):
            n_keys += answer_photo(page, labels, targets[row])  # the keys before were refused
        page.wait_for_function(
            "name => document.getElementById('name').textContent !== name"
            " || !document.getElementById('done').hidden",
            arg=name,
        )
        page.wait_for_selector("#photo[style*='visible']", state="attached")
        learning = page.evaluate("async () => (await (await fetch('/app/labels')).json()).learning")
        if learning["seconds"] is not None and learning["estimate"] is not None:
            refits.append(learning["seconds"])
    server_ms = page.evaluate(_SERVER_MS)
    return {
        "paint_ms": paint_ms,
        "n_photos": len(names),
        "n_changes": len(server_ms),
        "server_ms_p50": float(np.percentile(server_ms, 50)),
        "server_ms_p99": float(np.percentile(server_ms, 99)),
        "refit_seconds_p50": float(np.percentile(refits, 50)),
        "refit_seconds_max": max(refits),
        "keys_per_photo": n_keys / len(names),
    }


def answer_photo(page: Any, labels: list[str], targets: Any) -> int:
    """Press the keys that make the answers of a photo those of the truth; return how many."""
    page.wait_for_timeout(_SUGGESTION_WAIT_MS)  # a person looks at the photo
    shown = page.evaluate(
        "() => Object.fromEntries([...document.querySelectorAll('#labels .answer')].map((button) => "
        "[button.dataset.label, button.matches('.present, .suggested')]))"
    )
    keys = [_KEYS[at] for at, label in enumerate(labels) if shown[label] != (targets[at] == 1)]
    for key in keys:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    return len(keys) + 1


if __name__ == "__main__":
    main()
