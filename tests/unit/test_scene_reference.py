"""docs/scene.md is the specification of the fields: its tables and the schema agree, both ways."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from marshmallow import fields

from workflows.spec.colors import NAMES
from workflows.spec.elements import ELEMENT_SCHEMAS
from workflows.spec.schema import field_table, load

PAGE = (Path(__file__).parents[2] / "docs" / "scene.md").read_text()
SCHEMA = field_table()
COLUMNS = ["name", "type", "unit", "default", "applies to", "meaning"]
KINDS = list(ELEMENT_SCHEMAS)
TYPES = {(kind, "`type`") for kind in KINDS}  # checked apart: the type picks the schema


def table(heading: str) -> list[dict[str, str]]:
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    assert rows[0] == COLUMNS
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows[2:]]


ROWS = [
    (kind, row)
    for heading in ("Job", "Quality", "Element", "Crop", "Chroma key", "Animation")
    for row in table(heading)
    for kind in row["applies to"].split(", ")
]


def written_default(field: fields.Field[Any]) -> str:
    if field.required:
        return "required"
    default = field.metadata["default"]
    return "" if default is None else f"`{json.dumps(default)}`"


def test_every_field_of_the_page_is_in_the_schema_and_the_other_way_round() -> None:
    page = {(kind, row["name"].strip("`")) for kind, row in ROWS}
    assert page == {(kind, name) for kind, known in SCHEMA.items() for name in known}
    assert len(page) == len(ROWS)


@pytest.mark.parametrize(("kind", "row"), ROWS, ids=lambda value: value if isinstance(value, str) else value["name"])
def test_defaults_are_the_schemas(kind: str, row: dict[str, str]) -> None:
    assert row["default"] == written_default(SCHEMA[kind][row["name"].strip("`")])


WORDS = [(kind, row) for kind, row in ROWS if row["type"] == "word" and (kind, row["name"]) not in TYPES]


@pytest.mark.parametrize(("kind", "row"), WORDS, ids=lambda value: value if isinstance(value, str) else value["name"])
def test_words_in_the_meaning_are_accepted(kind: str, row: dict[str, str]) -> None:
    field = SCHEMA[kind][row["name"].strip("`")]
    words = re.findall(r"`([A-Za-z0-9_-]+)`", row["meaning"])
    assert words
    for word in words:
        assert field.deserialize(word) == word


def test_the_words_of_type_are_the_element_types() -> None:
    [row] = [row for row in table("Element") if row["name"] == "`type`"]
    assert re.findall(r"`([a-z]+)`", row["meaning"]) == KINDS


def test_color_names_are_listed() -> None:
    listed = PAGE.split("`#rrggbbaa`, or ", 1)[1].split(".", 1)[0]
    assert sorted(re.split(r",\s+", listed)) == sorted(NAMES)


def test_the_example_on_the_page_loads() -> None:
    body = json.loads(PAGE.split("```json", 1)[1].split("```", 1)[0])
    assert [element.type for element in load(body).elements] == ["video", "image", "text", "audio"]


def test_every_code_in_use_is_explained() -> None:
    package = Path(load.__code__.co_filename).parent
    source = "".join(path.read_text() for path in package.glob("*.py"))
    used = set(re.findall(r'(?:rejected\(|code=)\s*"([a-z_]+)"', source))
    used |= set(re.findall(r'problem\((?:path|f?"[^"]*"), "([a-z_]+)"', source))
    assert len(used) >= 10
    assert used <= set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.split("## Errors", 1)[1], re.MULTILINE))
