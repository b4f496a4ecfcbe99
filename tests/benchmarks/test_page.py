"""The page comes from the results alone."""

import tomllib
from pathlib import Path

from PIL import Image

from benchmarks import page, scale
from benchmarks.cases import ROOT, Values
from benchmarks.labeling_section import render_labeling
from benchmarks.page import write_page
from benchmarks.results import read_records, write_records
from benchmarks.scale_page import render_scale
from benchmarks.sections import BEGIN, END
from benchmarks.study import JUDGED_VARIANT
from tests.benchmarks.conftest import PARTS, TRAINING, records_of, trained

NOTES = """
intro = "How it was measured."
repeat = "Run it."
[parts]
latency = "One photo."
[tools]
fastai = "As documented."
[tried]
study = "Fewer views were tried."
throughput = "Never shown: this goal is reached."
"""


def page_of(results: Path, tmp_path: Path) -> str:
    notes = tmp_path / "notes.toml"
    notes.write_text(NOTES, encoding="utf-8")
    write_page(results, notes=notes, page=tmp_path / "docs" / "benchmarks.md")
    return (tmp_path / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def test_every_goal_is_reached_or_missed_by_a_number(results: Path, tmp_path: Path) -> None:
    page = page_of(results, tmp_path)

    assert "| 97.2 in 100 s (manylabel top) | missed by a factor of 1.1 in time |" in page
    assert f"| 160 s ({JUDGED_VARIANT}) | missed by a factor of 1.1 |" in page
    assert "| 1/9.0 (OpenVINO int8) | reached |" in page
    assert "| 4.5 times | missed by a factor of 1.3 |" in page
    assert "| 90 % | reached |" in page
    assert "| `manylabel --help`, cold process: under 0.4 s | 0.20 s | reached |" in page
    assert "| 1.60 s | missed by 0.10 s |" in page
    assert "| `manylabel predict, one photo` | 1.60 |" in page
    assert "| 6.1 times, 97.2 against 92.5 (manylabel top) | missed by a factor of 1.6 in time |" in page
    assert "scenes_160, MobileNetV2: test mAP of at least 94.5 | - | not measured |" in page


def test_busy_neighbors_are_told_as_times_of_the_time_alone(results: Path, tmp_path: Path) -> None:
    page = page_of(results, tmp_path)

    assert "| top, beside one busy process: at most 2 times as long as alone | 1.8 times | reached |" in page
    assert "at most 4 times as long as alone | 4.5 times | missed by a factor of 1.1 |" in page
    assert "| top | 20 | 1.8 times | 4.5 times | 19 | 5.0 times |" in page


def test_remarks_stand_under_missed_goals_only(results: Path, tmp_path: Path) -> None:
    page = page_of(results, tmp_path)

    assert "* Fewer views were tried." in page


def test_a_failed_tool_is_named_with_its_error(results: Path, tmp_path: Path) -> None:
    page = page_of(results, tmp_path)

    assert "| hf_trainer | failed |" in page
    assert "* ucmerced mobilenet_v2 hf_trainer failed: `ValueError: no such thing`" in page


def test_a_peer_that_is_better_than_everything_is_missed_in_points(tmp_path: Path) -> None:
    from benchmarks.goals import judge_goals

    records = records_of(
        ({**TRAINING, "tool": "manylabel top"}, trained(40.0, 94.0)),
        ({**TRAINING, "tool": "manylabel quick"}, trained(4.0, 97.0)),
        ({**TRAINING, "tool": "fastai"}, trained(600.0, 95.5)),
    )
    (line,) = [line for line in judge_goals({"training": records}) if line.name == "peer fastai"]

    assert line.measured == "15.0 times, 94.0 against 95.5 (manylabel top)"
    assert line.verdict == "missed by 1.5 points of mAP"


def test_the_plot_is_drawn(results: Path, tmp_path: Path) -> None:
    page = page_of(results, tmp_path)

    assert "(images/benchmarks.png)" in page
    with Image.open(tmp_path / "docs" / "images" / "benchmarks.png") as plot:
        assert plot.width >= 500


def test_without_results_the_page_says_that_nothing_was_measured(tmp_path: Path) -> None:
    page = page_of(tmp_path / "nowhere", tmp_path)

    assert "not measured" in page
    assert "images/benchmarks.png" not in page


def test_growth_is_ordered_by_the_number_of_photos(results: Path, tmp_path: Path) -> None:
    page = page_of(results, tmp_path)

    assert page.index("| 200 | 20 | 100.0 | 1.00 |") < page.index("| 2,000 | 60 | 30.0 | 2.00 |")
    assert PARTS["growth"][0]["key"] == {"size": "2000"}


SCALE_NOTES = """
[scale]
ways = "Ways."
million = "A million."
nodes = "Nodes."
paper = "On paper."
first = "First."
"""


def scored(per_second: float, **more: float) -> Values:
    """Return what a run of the part "scale" gives."""
    moments = {f"mib_{number:02d}": 100.0 + number for number in range(20)}
    rates = {"photos_per_second": per_second, "early_per_second": 1000.0, "late_per_second": 2000.0}
    sizes = {"bytes_per_row": 50.0, "list_bytes_per_row": 40.0, "digest": 7.0}
    return {**moments, **rates, **sizes, "scoring_seconds": 600.0, "peak_mib": 512.0, **more}


def test_the_page_about_scale_compares_with_one_process(tmp_path: Path) -> None:
    again = {"again_seconds": 2.0, "n_parts": 100.0, "bytes_per_record": 300.0}
    records = records_of(
        ({"work": scale.ONE_FILE}, scored(200.0)),
        ({"work": scale.IN_PARTS}, scored(190.0)),
        ({"work": scale.TWO_WORKERS}, scored(100.0, digest=8.0)),
        ({"work": f"{scale.MILLION}, {scale.IN_PARTS}"}, scored(1500.0, **again)),
        ({"work": "compare, nodes: 1"}, {"comparison_seconds": 90.0, "digest": 1.0}),
        ({"work": "compare, nodes: 2"}, {"comparison_seconds": 60.0, "digest": 1.0}),
    )
    write_records(tmp_path / "results" / "scale.json", records)
    notes = tmp_path / "notes.toml"
    notes.write_text(SCALE_NOTES, encoding="utf-8")
    document = tmp_path / "docs" / "scale.md"
    document.parent.mkdir()
    document.write_text(f"# Scale\n\n{BEGIN}\nold\n{END}\n\n## Python\n", encoding="utf-8")

    page.write_scale_page(tmp_path / "results", page=document, notes=notes)

    written = document.read_text(encoding="utf-8")
    assert written.startswith("# Scale\n")
    assert written.endswith(f"{END}\n\n## Python\n")
    assert "old" not in written
    assert "| one process, in parts | 190 | 95 % | 0.50 | yes |" in written
    assert "| Ray, two nodes | 100 | 50 % | 0.50 | no |" in written
    assert "| Ray, three nodes | - | - | - | - |" in written
    assert "| one process, in parts | 10.0 | 10.0 | 5.0 | 101 | 118 | yes |" in written
    assert "| 2 | 60 | 1.50 | yes |" in written
    assert "| photos per second | 152,000 |" in written  # 190 x 100 nodes x 16 cores / 2
    # 100,000 parts x 0.02 s
    assert "| minutes to find all parts complete, without reading them | 33 |" in written
    assert (document.parent / "images" / "scale.png").is_file()


def test_a_page_without_marks_or_results_stays_as_it_is(tmp_path: Path) -> None:
    document = tmp_path / "scale.md"
    document.write_text("mine", encoding="utf-8")
    page.write_scale_page(tmp_path, page=document)
    page.write_scale_page(tmp_path, page=tmp_path / "other.md")
    assert document.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "other.md").exists()


def test_the_page_about_scale_says_what_the_results_say() -> None:
    records = {"scale": read_records(ROOT / "benchmarks" / "results" / "scale.json")}
    notes = tomllib.loads(page.NOTES.read_text(encoding="utf-8"))
    written = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    assert f"{BEGIN}\n\n{render_scale(records, notes)}\n\n{END}" in written


def test_the_page_about_labeling_says_what_the_results_say() -> None:
    records = {"labeling": read_records(ROOT / "benchmarks" / "results" / "labeling.json")}
    notes = tomllib.loads(page.NOTES.read_text(encoding="utf-8"))
    written = (ROOT / "docs" / "labeling.md").read_text(encoding="utf-8")
    assert f"{BEGIN}\n\n{render_labeling(records, notes)}\n\n{END}" in written


def test_the_page_of_the_docs_says_what_the_results_say() -> None:
    records = {part: read_records(ROOT / "benchmarks" / "results" / f"{part}.json") for part in page.PARTS}
    notes = tomllib.loads(page.NOTES.read_text(encoding="utf-8"))

    assert page.PAGE.read_text(encoding="utf-8") == page.render(records, notes, has_plot=True)
