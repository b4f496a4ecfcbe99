"""Scroll through the grid of the labeling page with many photos, in a real browser.

In:  a few photos, and the number of copies to make.
Out: milliseconds that a screen takes: until its photos are laid out, until their pictures are shown, and the
     same for screens whose pictures were made before.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workers.browser import add_labels, browser_parser, opened_app
from benchmarks.workers.common import write_values

_N_SCREENS = 40
_SCREEN = """async () => {
    const grid = document.getElementById('grid');
    const began = performance.now();
    grid.scrollTop += grid.clientHeight;
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const laid_out = performance.now() - began;
    const { top, bottom } = grid.getBoundingClientRect();
    const seen = [...grid.querySelectorAll('.tile img')].filter((image) => {
        const tile = image.parentElement.getBoundingClientRect();
        return tile.bottom > top && tile.top < bottom;
    });
    while (!seen.every((image) => image.complete && image.naturalWidth)) {
        if (performance.now() - began > 30_000) throw new Error("a picture is missing");
        await new Promise((done) => setTimeout(done, 2));
    }
    return { laid_out, shown: performance.now() - began, tiles: seen.length };
}"""
_TO_THE_TOP = """async () => {
    document.getElementById('grid').scrollTop = 0;
    await new Promise((done) => setTimeout(done, 500));
}"""


def main() -> None:
    """Measure."""
    parser = browser_parser()
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--n-photos", type=int, default=20_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        copy_photos(given.photos, photos, n_photos=given.n_photos)
        # No suggestions: features of 20,000 photos would keep both cores busy for minutes.
        with opened_app([str(photos), "--no-suggest"], browser=given.browser) as page:
            values = scroll(page)
    write_values(given.out, {"n_photos": given.n_photos, **values})


def copy_photos(source: Path, target: Path, *, n_photos: int) -> None:
    """Fill a folder with copies of some photos, each under a name of its own."""
    target.mkdir()
    some = sorted(source.iterdir())
    for number in range(n_photos):
        shutil.copyfile(some[number % len(some)], target / f"{number:06d}{some[number % len(some)].suffix}")


def scroll(page: Any) -> dict[str, float]:
    """Scroll through the first screens twice; return the milliseconds per screen."""
    page.wait_for_selector("#photo[style*='visible']")
    add_labels(page, ["boat"])
    page.keyboard.press("g")
    page.wait_for_selector(".tile")
    values: dict[str, float] = {}
    for visit in ("first", "again"):
        screens = [page.evaluate(_SCREEN) for _ in range(_N_SCREENS)]
        page.evaluate(_TO_THE_TOP)
        values["n_tiles"] = float(np.median([screen["tiles"] for screen in screens]))
        for what in ("laid_out", "shown"):
            found = [screen[what] for screen in screens]
            values[f"{visit}_{what}_ms_p50"] = float(np.median(found))
            values[f"{visit}_{what}_ms_max"] = max(found)
    return values


if __name__ == "__main__":
    main()
