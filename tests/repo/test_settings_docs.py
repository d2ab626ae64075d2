"""README.md and .env.example say what the code does."""

import re
from dataclasses import fields

from tests.repo import settings_docs
from workflows.policy import PLACES
from workflows.settings import Settings, load

ADVICE = "run `make docs`"


def test_readme_tables_are_those_of_the_code():
    readme = settings_docs.README.read_text()
    assert readme == settings_docs.with_tables(readme), ADVICE


def test_env_example_is_that_of_the_code():
    assert settings_docs.ENV_EXAMPLE.read_text() == settings_docs.env_example(), ADVICE


def test_env_example_has_each_variable_once():
    written = re.findall(r"^#?([A-Z][A-Z0-9_]+)=", settings_docs.ENV_EXAMPLE.read_text(), re.MULTILINE)
    known = {spec.metadata["env"] for spec in fields(Settings)} | {v for _, v in PLACES.values() if v}
    assert sorted(written) == sorted(known | set(settings_docs.COMPOSE_SECRETS))


def test_env_example_uncommented_gives_the_defaults():
    text = settings_docs.ENV_EXAMPLE.read_text()
    values = dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE))
    assert load(values) == Settings()
