"""Cells that hold several labels, as people and programs write them."""

import pytest

from manylabel.data.formats.tables.label_cells import LabelCellError, guess_delimiter, split_labels


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("['beach' 'old town']", ["beach", "old town"]),
        ("['beach'\n 'boat']", ["beach", "boat"]),
        ("[0 3]", ["0", "3"]),
        ("[0. 3.]", ["0", "3"]),
        ("('beach', 'boat')", ["beach", "boat"]),
        ("('beach',)", ["beach"]),
        ("{'beach', 'boat'}", ["beach", "boat"]),
        ('{beach,"old town"}', ["beach", "old town"]),
        ("array(['beach', 'boat'], dtype=object)", ["beach", "boat"]),
        ("Index(['beach'], dtype='object')", ["beach"]),
        ("frozenset({'beach'})", ["beach"]),
        ('{"beach": 1, "boat": 0}', ["beach"]),
        ("{'beach': True, 'boat': False}", ["beach"]),
        ("[beach, old town]", ["beach", "old town"]),
        (r"['it\'s', None]", ["it's"]),
        ("[null]", []),
        ("set()", []),
        ("()", []),
        ('"rock; cliff";boat', ["rock; cliff", "boat"]),
        ("(old) town", ["(old) town"]),
        ("(old)", ["(old)"]),
        ("beach;;boat;", ["beach", "boat"]),
    ],
)
def test_labels_are_read_as_they_were_meant(cell: str, labels: list[str]) -> None:
    assert split_labels(cell, ";") == labels


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("['beach' 'boat' ... 'sea']", "is cut off: the list is incomplete"),
        ("[old town]", "may be one label with a space or several labels"),
        ("[['beach'], ['boat']]", "cannot be read as a list of labels"),
        ('[["beach"], ["boat"]]', "is a list of lists"),
        ('{"beach": "perhaps"}', "does not say of each label whether it is present"),
        ("{beach", "with an unpaired bracket or quote"),
        ('gun "old', "with an unpaired bracket or quote"),
        ("['beach", "with an unpaired bracket or quote"),
    ],
)
def test_what_can_be_read_in_two_ways_makes_no_label(cell: str, reason: str) -> None:
    with pytest.raises(LabelCellError, match=reason):
        split_labels(cell, ";")


@pytest.mark.parametrize(
    ("cells", "delimiter"),
    [
        (["a,b", "b,c"] * 50 + ["Tom &amp; Jerry,a"], ","),
        (["Paris, France", "Rome, Italy"] * 3 + ["Oslo"], None),
        (["beach, boat", "boat, sea", "beach, sea"], ","),
        (["16 0", "7 1 2 0", "5"], " "),
        (["1", "2", "3"], None),
        (["beach / boat", "boat", "beach / sea"], "/"),
        (["beach+boat", "sea", "beach"], "+"),
        (["beach & boat", "boat & sea", "sea", "beach"], "&"),
        (["Strand und Meer / Hafen", "Wald"], None),
        (["rock & roll", "jazz"], None),
        (["海滩、船", "森林"], "、"),
        (["海滩\N{FULLWIDTH SEMICOLON}船", "海滩"], "\N{FULLWIDTH SEMICOLON}"),
    ],
)
def test_the_delimiter_is_the_one_of_most_cells_and_no_part_of_a_name(
    cells: list[str], delimiter: str | None
) -> None:
    assert guess_delimiter(cells) == delimiter
