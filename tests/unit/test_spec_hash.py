"""One hash for one meaning: order, spacing and 1 against 1.0 do not matter, everything else does."""

from __future__ import annotations

import hashlib
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scene_samples import example
from workflows.spec.schema import canonical_hash

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def shuffled(value: object, chance: random.Random) -> object:
    if isinstance(value, dict):
        items = [(key, shuffled(item, chance)) for key, item in value.items()]
        chance.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        return [shuffled(item, chance) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return chance.choice([value, float(value)])
    return value


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=5), st.randoms(use_true_random=False))
def test_order_and_number_style_do_not_matter(body: dict[str, object], chance: random.Random) -> None:
    assert canonical_hash(shuffled(body, chance)) == canonical_hash(body)  # type: ignore[arg-type]


def test_it_is_sha256_of_compact_sorted_json() -> None:
    body = {"b": [1, 2.5, True], "a": {"d": None, "c": "ü"}}
    written = '{"a":{"c":"\\u00fc","d":null},"b":[1,2.5,true]}'
    assert canonical_hash(body) == hashlib.sha256(written.encode()).hexdigest()


@pytest.mark.parametrize("change", [{"width": 1918}, {"width": "1920"}, {"elements": []}, {"priority": None}])
def test_any_other_change_matters(change: dict[str, object]) -> None:
    assert canonical_hash({**example("brief"), **change}) != canonical_hash(example("brief"))


def test_true_is_not_one() -> None:
    assert canonical_hash({"a": True}) != canonical_hash({"a": 1})


def test_it_survives_the_ledgers_json() -> None:
    body = example("reference")
    assert canonical_hash(json.loads(json.dumps(body))) == canonical_hash(body)
