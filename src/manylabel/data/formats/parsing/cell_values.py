"""Say what the cells of an Excel workbook hold.

In:  what the XML of a cell says: its value, its kind, its style, and whether it has a formula.
Out: its text, and why it cannot be used, if it cannot.
"""

import math
from datetime import date
from functools import lru_cache

from manylabel.data.formats.parsing.shared_parts import SharedParts, unescape
from manylabel.io.csv_text import unguard

_LONGEST_SHOWN = 40
_LONGEST_NUMBER = 64
_ERRORS = frozenset(
    {
        *("#BLOCKED!", "#CALC!", "#CONNECT!", "#DIV/0!", "#FIELD!", "#GETTING_DATA", "#N/A", "#NAME?"),
        *("#NULL!", "#NUM!", "#REF!", "#SPILL!", "#UNKNOWN!", "#VALUE!"),
    }
)
_UNCOMPUTED = "its formula was never computed; open the file in a spreadsheet program and save it there"
_NO_TEXT = "it refers to a text that the workbook does not hold; save it anew in a spreadsheet program"

Value = tuple[str, str | None]
"""The text of a cell; and why it cannot be used, if it cannot."""


class CellValues:
    """What the cells of a workbook hold.

    Args:
        shared: What all its sheets share.
    """

    def __init__(self, shared: SharedParts) -> None:
        self._shared = shared

    def read(self, value: str | None, kind: str, style: str, *, has_formula: bool) -> Value:
        """Read one cell.

        Args:
            value: What stands in it, None where nothing does.
            kind: What it is: n a number, s the number of a text, b a truth value, ...
            style: Number of its style, by which dates are known.
            has_formula: Whether the value was computed.
        """
        if not value:
            is_computed = not has_formula or (kind == "str" and value is not None)
            return "", None if is_computed else _UNCOMPUTED
        match kind:
            case "n" if style in self._shared.dates:
                return self._read_date(value, is_length=self._shared.dates[style])
            case "n" if len(value) <= _LONGEST_NUMBER:
                return _read_number(value)
            case "n":
                return "", _describe_number(value)
            case "s":
                return self._read_shared(value)
            case "b":
                return _read_truth(value)
            case "d":
                return _describe_date(value.partition("T")[0][:_LONGEST_SHOWN])
            case "e":
                return "", _describe_error(value[:_LONGEST_SHOWN])
            case _:
                return _read_text(unescape(value))

    def _read_shared(self, value: str) -> Value:
        try:
            number = int(value)
        except ValueError:
            number = -1
        if not 0 <= number < len(self._shared.strings):
            return "", _NO_TEXT
        return _read_text(self._shared.strings[number])

    def _read_date(self, value: str, *, is_length: bool) -> Value:
        from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel  # not at the top: slow

        epoch = MAC_EPOCH if self._shared.is_from_1904 else WINDOWS_EPOCH
        try:
            moment = from_excel(float(value), epoch, timedelta=is_length)
        except (OverflowError, ValueError):
            return "", _describe_error("#VALUE!")
        return _describe_date(f"{moment:%Y-%m-%d}" if isinstance(moment, date) else str(moment))


@lru_cache(maxsize=4096)
def _read_number(value: str) -> Value:
    try:
        number = float(value)
    except ValueError:
        return "", _describe_number(value)
    if math.isfinite(number) and number.is_integer():
        return str(int(value) if value.isdecimal() else int(number)), None
    return str(number), None


def _describe_number(value: str) -> str:
    return f"it holds '{value[:_LONGEST_SHOWN]}' as a number, which is none"


def _read_truth(value: str) -> Value:
    if value in ("0", "1"):
        return str(value == "1"), None
    return "", f"it holds '{value[:_LONGEST_SHOWN]}', which is neither true nor false"


def _read_text(value: str) -> Value:
    return ("", _describe_error(value)) if value in _ERRORS else (unguard(value.strip()), None)


@lru_cache(maxsize=4096)
def _describe_error(value: str) -> str:
    return f"it holds the error {value}"


@lru_cache(maxsize=4096)
def _describe_date(shown: str) -> Value:
    return shown, f"it holds a date ({shown}); type the text again in a cell formatted as text"
