"""Import OpenVINO and NNCF without their telemetry.

In:  nothing.
Out: the libraries, which then tell nobody that, where and on what they are used.

Imported as usual, both write an identifier into the user's home folder and send events to Google Analytics
unless the user has opted out (https://docs.openvino.ai/2026/about-openvino/additional-resources/telemetry.html).
They go on without a word where the package that sends cannot be imported.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_TELEMETRY = "openvino_telemetry"


def has_openvino() -> bool:
    """Say whether OpenVINO is installed, without loading it."""
    if "openvino" in sys.modules:
        return sys.modules["openvino"] is not None
    return find_spec("openvino") is not None


def import_openvino() -> Any:
    """Return the module ``openvino``.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    with _without_telemetry():
        return import_module("openvino")


def import_nncf() -> Any:
    """Return the module ``nncf``.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    with _without_telemetry():
        import_module("openvino")
        return import_module("nncf")


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Let ``import openvino_telemetry`` fail; one that the program has loaded itself is left in place."""
    loaded: ModuleType | None = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # what Python takes for "cannot be imported"
    try:
        yield
    finally:
        sys.modules.pop(_TELEMETRY, None)
        if loaded is not None:
            sys.modules[_TELEMETRY] = loaded
