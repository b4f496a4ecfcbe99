"""The types of elements that the JavaScript of a page tells are those of its HTML.

In:  the script that lists the elements, the HTML of the page.
Out: a failed test that names the element; the check of types in `make check` believes these lists.
"""

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "src" / "manylabel" / "serving" / "static"
LISTED = re.compile(r"@property \{HTML(\w*)Element\} ([\w-]+)$", re.MULTILINE)
TAG = re.compile(r'<(\w+)[^>]*? id="([\w-]+)"')
KINDS = {
    "button": "Button",
    "dialog": "Dialog",
    "form": "Form",
    "iframe": "IFrame",
    "img": "Image",
    "input": "Input",
    "progress": "Progress",
    "select": "Select",
    "table": "Table",
    "template": "Template",
}


@pytest.mark.parametrize(
    ("script", "page"),
    [
        ("main.js", "index.html"),
        ("app/shell.js", "app/index.html"),
        ("app/start.js", "app/start.html"),
    ],
    ids=["served", "app", "start"],
)
def test_every_listed_element_is_on_the_page_with_its_type(script: str, page: str) -> None:
    listed = {name: kind for kind, name in LISTED.findall((STATIC / script).read_text(encoding="utf-8"))}
    tags = TAG.findall((STATIC / page).read_text(encoding="utf-8"))

    kinds = {name: KINDS.get(tag, "") for tag, name in tags}
    assert listed
    assert listed == {name: kinds.get(name) for name in listed}
