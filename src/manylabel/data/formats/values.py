"""Read single words of a table.

In:  the text of one cell, or one value of a JSON file.
Out: a target, a part of the split, a label.
"""

import math
import unicodedata
from collections.abc import Iterable

from manylabel.types import Part

_ZERO = "\N{IDEOGRAPHIC NUMBER ZERO}"  # written for a circle

PRESENT_WORDS = frozenset(
    {
        *("1", "1.0", "1,0", "true", "t", "yes", "y", "x", "+", "*", "present", "positive", "pos"),
        *("positiv", "vorhanden", "あり", "对", "對", "👍"),
        *("wahr", "ja", "j", "vrai", "oui", "verdadero", "sí", "si", "verdadeiro", "sim", "vero", "sì"),
        *("waar", "prawda", "tak", "pravda", "ano", "igaz", "igen", "doğru", "evet", "sant", "sand", "kyllä"),
        *("истина", "да", "є", "так", "真", "是", "有", "はい", "참", "예", "đúng", "có", "صحيح", "نعم"),
        *("✓", "✔", "☑", "✅", "☒", "🗸", "●", "•", "■", "\N{MULTIPLICATION SIGN}", "○", "◯", "◎", _ZERO),
    }
)
"""What marks a label as present, in lower case: also the truth values and yes of the languages of Excel."""

ABSENT_WORDS = frozenset(
    {
        *("0", "0.0", "0,0", "false", "f", "no", "n", "absent", "negative", "neg", "negativ", "fehlt"),
        *("なし", "错", "錯", "👎"),
        *("falsch", "nein", "faux", "non", "falso", "não", "nao", "onwaar", "nee", "fałsz", "nie"),
        *("nepravda", "ne", "hamis", "nem", "falskt", "falsk", "nej", "nei", "epätosi", "ei"),
        *("yanl\N{LATIN SMALL LETTER DOTLESS I}ş", "hay\N{LATIN SMALL LETTER DOTLESS I}r"),
        *(
            "ложь",
            "нет",
            "ні",
            "假",
            "否",
            "无",
            "無",
            "いいえ",
            "거짓",
            "아니요",
            "sai",
            "không",
            "خطأ",
            "لا",
        ),
        *("✗", "✘", "❌", "☐", "□"),
    }
)
_TICKS = frozenset({"✓", "✔", "☑", "✅", "🗸"})
_CROSSES = frozenset({"x", "☒", "\N{MULTIPLICATION SIGN}"})
_CIRCLES = frozenset({"○", "◯", "◎", _ZERO})
_DOTS = frozenset({"●", "•", "■"})
DASHES = frozenset({"-", "\N{EN DASH}", "\N{EM DASH}", "\N{MINUS SIGN}"})
"""Absent where no other mark says so, else unknown."""

UNKNOWN_WORDS = frozenset(
    {"", "?", "??", "-1", "-1.0", "nan", "na", "n/a", "#n/a", "<na>", "nat", "null", "none", "unknown"}
)
EXPECTED_TARGET = "1, 0, true, false, yes, no, x, ? for unknown, or blank"

TRUTH_NAMES = frozenset(
    {
        *("confidence", "present", "is_present", "value", "answer", "wert", "vorhanden", "antwort"),
        *("valeur", "présent", "réponse", "valor", "presente", "respuesta"),
    }
)
"""Names of a column that says whether the label of a line is present, as ``plain_name`` writes them."""

PHOTO_NAMES = frozenset(
    {
        *(
            "file",
            "file_name",
            "file_path",
            "filename",
            "filepath",
            "fname",
            "image",
            "image_file",
            "image_id",
        ),
        *(
            "image_index",
            "image_name",
            "image_path",
            "imageid",
            "img",
            "path",
            "photo",
            "photo_name",
            "picture",
        ),
        *("source_ref", "datei", "dateiname", "foto", "bild", "fichier", "archivo", "arquivo", "imagen"),
    }
)
"""Names of the column that names the photos, as ``plain_name`` writes them."""

LABELS_NAMES = frozenset(
    {
        *(
            "categories",
            "category",
            "class",
            "classes",
            "class_name",
            "finding_labels",
            "label",
            "label_name",
        ),
        *("labelname", "labels", "objects", "tag", "tags", "target", "targets", "genre", "genres"),
        *("schlagwort", "schlagworte", "schlagwörter", "étiquette", "étiquettes", "etiquetas"),
    }
)
"""Names of a column that lists labels, as ``plain_name`` writes them."""

PART_NAMES = frozenset({"split", "subset", "partition"})
"""Names of the column that tells the split, as ``plain_name`` writes them."""

PART_WORDS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Names of the parts of a split, as columns and folders write them."""


def read_target(text: str) -> float | None:
    """Read one cell of a one-hot table.

    Returns:
        1 present, 0 absent, NaN unknown; None where the text is nothing of the kind. A dash is absent.

    Examples:
        >>> read_target("yes"), read_target("0"), read_target(""), read_target("beach")
        (1.0, 0.0, nan, None)
    """
    word = text.strip().lower()
    if word in DASHES:
        return 0.0
    if word in PRESENT_WORDS:
        return 1.0
    if word in ABSENT_WORDS:
        return 0.0
    return math.nan if word in UNKNOWN_WORDS else None


def find_absent_marks(words: Iterable[str]) -> frozenset[str]:
    """Return the marks that mean absent beside the others of a table, and present elsewhere.

    A cross means yes on a form and no beside a tick or, in Japan, beside a circle; an empty circle means yes
    there, and no beside a filled one.

    Args:
        words: All cells of the label columns.

    Examples:
        >>> sorted(find_absent_marks(["x", "✓", ""])), sorted(find_absent_marks(["○", "x"]))
        (['x'], ['x'])
        >>> sorted(find_absent_marks(["○", "●"])), sorted(find_absent_marks(["x", ""]))
        (['○'], [])
    """
    marks = {word.strip().lower() for word in words}
    if marks & _DOTS and marks & _CIRCLES:
        return frozenset(marks & _CIRCLES)
    return frozenset(marks & _CROSSES) if marks & (_TICKS | _CIRCLES) else frozenset()


def read_part(text: str) -> Part | None:
    """Read the name of a part of the split.

    Returns:
        The part; None where the text names none.

    Examples:
        >>> read_part("Validation"), read_part("holdout")
        ('val', None)
    """
    return PART_WORDS.get(text.strip().lower())


def clean_label(value: object) -> str:
    r"""Write a label's name in one way: outer spaces go, and letters with marks are one character each.

    The second matters because the same word typed on two systems can be two different strings.

    Examples:
        >>> clean_label(" cafe\u0301 ") == "caf\u00e9", clean_label(7), clean_label(None)
        (True, '7', '')
    """
    return "" if value is None else unicodedata.normalize("NFC", str(value)).strip()


def plain_name(name: str) -> str:
    """Write the name of a column as the lists of usual names do.

    Examples:
        >>> plain_name(" File-Name"), plain_name("label2")
        ('file_name', 'label2')
    """
    return name.strip().lower().replace(" ", "_").replace("-", "_")
