"""Score photo files with manylabel's public ``predict``.

In:  a bundle, a folder of photos.
Out: photos per second.
"""

from pathlib import Path

import manylabel
from benchmarks.workers.common import marginal_rate, worker_parser, write_values
from manylabel.data.find import find_photos


def main() -> None:
    """Measure."""
    parser = worker_parser()
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--few", type=int, required=True)
    given = parser.parse_args()
    paths = find_photos(given.photos)
    rate = marginal_rate(lambda few: manylabel.predict(given.bundle, few), paths, n_few=given.few)
    write_values(given.out, rate)


if __name__ == "__main__":
    main()
