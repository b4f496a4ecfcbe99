"""Compare what was measured with what was aimed at.

In:  records of the parts.
Out: a line per goal: what was aimed at, what was measured, reached or missed by how much.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.busy import RESTING
from benchmarks.results import Record
from benchmarks.start import HELP, PREDICT
from benchmarks.study import JUDGED_VARIANT

Records = Mapping[str, Sequence[Record]]
"""Records by part."""

OURS = "manylabel"
JUDGED = "manylabel top"
"""The one way to train that is held against goals and peers: no test score chooses among several."""

NETWORK = "mobilenet_v2"


@dataclass(frozen=True, kw_only=True)
class Line:
    """Hold one goal and how it went.

    Attributes:
        name: What the notes call it.
        goal: What was aimed at, in words.
        measured: What was measured, in words; empty where it was not.
        miss: By how much it was missed; empty where it was reached.
    """

    name: str
    goal: str
    measured: str
    miss: str

    @property
    def verdict(self) -> str:
        """Say in a word or two how it went."""
        if not self.measured:
            return "not measured"
        return f"missed by {self.miss}" if self.miss else "reached"


def judge_goals(records: Records) -> list[Line]:
    """Compare every goal with the records."""
    return [
        *_accuracy_goals(records),
        _study_goal(records),
        _latency_goal(records),
        *_throughput_goals(records),
        *_serving_goals(records),
        *_start_goals(records),
        *_busy_goals(records),
        *_peer_goals(records),
    ]


def find(records: Records, part: str, **key: str) -> list[Record]:
    """Return the measured records of a part whose key has these values."""
    return [
        record
        for record in records.get(part, ())
        if record["medians"] and all(record["key"].get(name) == value for name, value in key.items())
    ]


def is_ours(record: Record) -> bool:
    """Whether a record is one of manylabel."""
    return bool(record["key"]["tool"].startswith(OURS))


def _accuracy_goals(records: Records) -> Iterator[Line]:
    for photo_set, least, most_seconds in (("ucmerced", 97.0, 90.0), ("scenes_160", 94.5, None)):
        goal = f"{photo_set}, MobileNetV2: test mAP of at least {least}"
        goal += (
            ""
            if most_seconds is None
            else f" in under {most_seconds:.0f} s, from photos to report, cold cache"
        )
        ours = find(records, "training", set=photo_set, network=NETWORK, tool=JUDGED)
        if not ours:
            yield Line(name=photo_set, goal=goal, measured="", miss="")
            continue
        points, seconds = 100 * ours[0]["medians"]["mAP"], ours[0]["medians"]["seconds"]
        misses = [f"{least - points:.1f} points"] if points < least else []
        if most_seconds is not None and seconds > most_seconds:
            misses.append(f"a factor of {seconds / most_seconds:.1f} in time")
        words = f"{points:.1f} in {seconds:.0f} s ({JUDGED})"
        yield Line(name=photo_set, goal=goal, measured=words, miss=" and ".join(misses))


def _study_goal(records: Records) -> Line:
    goal = "The whole study (four networks, 200 photos, 5 folds, report) in at most 150 s"
    found = find(records, "study", variant=JUDGED_VARIANT)
    if not found:
        return Line(name="study", goal=goal, measured="", miss="")
    seconds = found[0]["medians"]["seconds"]
    miss = f"a factor of {seconds / 150:.1f}" if seconds > 150 else ""
    return Line(name="study", goal=goal, measured=f"{seconds:.0f} s ({JUDGED_VARIANT})", miss=miss)


def _latency_goal(records: Records) -> Line:
    goal = "ResNet50, one photo: at most 1/8 of torch fp32"
    found = {record["key"]["engine"]: record for record in find(records, "latency", network="resnet50")}
    slow = found.get("torch fp32")
    fast = [record for engine, record in found.items() if engine.startswith("OpenVINO")]
    if slow is None or not fast:
        return Line(name="latency", goal=goal, measured="", miss="")
    best = min(fast, key=lambda record: record["medians"]["median_ms"])
    ratio = slow["medians"]["median_ms"] / best["medians"]["median_ms"]
    words = f"1/{ratio:.1f} ({best['key']['engine']})"
    return Line(name="latency", goal=goal, measured=words, miss=_short_of(ratio, 8))


def _throughput_goals(records: Records) -> Iterator[Line]:
    ours, loop = (_rate(records, tool=tool, photos="256 px") for tool in (OURS, "DataLoader loop"))
    bare = _rate(records, tool="bare engine")
    name, words = "throughput", "Photos per second from files, 256 px: at least 6 times a DataLoader loop"
    if ours is None or loop is None:
        yield Line(name=name, goal=words, measured="", miss="")
    else:
        yield Line(name=name, goal=words, measured=f"{ours / loop:.1f} times", miss=_short_of(ours / loop, 6))
    name, words = "engine", "Photos per second from files, 256 px: at least 80 % of the bare engine"
    if ours is None or bare is None:
        yield Line(name=name, goal=words, measured="", miss="")
    else:
        miss = f"{80 - 100 * ours / bare:.0f} points" if ours < 0.8 * bare else ""
        yield Line(name=name, goal=words, measured=f"{100 * ours / bare:.0f} %", miss=miss)


def _serving_goals(records: Records) -> Iterator[Line]:
    """Compare the server with the engine that it runs, for every network and kind of clients."""
    for record in find(records, "serving"):
        network, clients = record["key"]["network"], record["key"]["clients"]
        bare = find(records, "serving", network=network, clients="bare engine")
        if not bare or clients == "bare engine":
            continue
        share = 100 * record["medians"]["photos_per_second"] / bare[0]["medians"]["photos_per_second"]
        miss = f"{80 - share:.0f} points" if share < 80 else ""
        goal = f"Photos per second over HTTP, {network}, {clients}: at least 80 % of the bare engine"
        yield Line(name="serving", goal=goal, measured=f"{share:.0f} %", miss=miss)


def _start_goals(records: Records) -> Iterator[Line]:
    """Compare with what a person waits for without noticing."""
    for command, most_seconds in ((PREDICT, 1.5), (HELP, 0.4)):
        goal = f"`{command}`, cold process: under {most_seconds} s"
        found = find(records, "start", command=command)
        if not found:
            yield Line(name="start", goal=goal, measured="", miss="")
            continue
        seconds = found[0]["medians"]["median_ms"] / 1000
        miss = f"{seconds - most_seconds:.2f} s" if seconds >= most_seconds else ""
        yield Line(name="start", goal=goal, measured=f"{seconds:.2f} s", miss=miss)


def _rate(records: Records, **key: str) -> float | None:
    found = find(records, "throughput", **key)
    return found[0]["medians"]["photos_per_second"] if found else None


def _busy_goals(records: Records) -> Iterator[Line]:
    """Hold every work to half of its speed lost per busy neighbor, at most."""
    for record in find(records, "busy", waits=RESTING):
        work, neighbors = record["key"]["work"], int(record["key"]["neighbors"])
        alone = find(records, "busy", work=work, waits=RESTING, neighbors="0")
        if neighbors == 0 or not alone:
            continue
        times = record["medians"]["command_seconds"] / alone[0]["medians"]["command_seconds"]
        most = 2**neighbors
        processes = "one busy process" if neighbors == 1 else f"{neighbors} busy processes"
        yield Line(
            name="busy",
            goal=f"{work}, beside {processes}: at most {most} times as long as alone",
            measured=f"{times:.1f} times",
            miss=_short_of(most, times),
        )


def _peer_goals(records: Records) -> Iterator[Line]:
    """Compare with every peer."""
    for peer in find(records, "training"):
        if is_ours(peer):
            continue
        key = peer["key"]
        ours = find(records, "training", set=key["set"], network=key["network"], tool=JUDGED)
        goal = f"{key['set']}, {key['network']}: 10 times as fast as {key['tool']} at an equal or better mAP"
        yield Line(name=f"peer {key['tool']}", goal=goal, **_against(peer, ours))


def _against(peer: Record, ours: Sequence[Record]) -> dict[str, str]:
    if not ours:
        return {"measured": "", "miss": ""}
    ratio = peer["medians"]["seconds"] / ours[0]["medians"]["seconds"]
    points = 100 * (peer["medians"]["mAP"] - ours[0]["medians"]["mAP"])
    misses = [f"{points:.1f} points of mAP"] if points > 0 else []
    misses += [f"{short} in time" for short in [_short_of(ratio, 10)] if short]
    words = f"{ratio:.1f} times, {_points(ours[0])} against {_points(peer)} ({JUDGED})"
    return {"measured": words, "miss": " and ".join(misses)}


def _points(record: Record) -> str:
    return f"{100 * record['medians']['mAP']:.1f}"


def _short_of(ratio: float, goal: float) -> str:
    return "" if ratio >= goal else f"a factor of {goal / ratio:.1f}"
