import base64
import json
import stat
from dataclasses import asdict, replace

from orchestrator_tasks.embedded import credentials


def test_secrets_are_made_once_and_kept_in_a_private_file(tmp_path):
    made = credentials.load(tmp_path)
    assert credentials.load(tmp_path) == made
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_secrets_differ_from_each_other_and_between_stacks(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    values = [v for name in ("a", "b") for v in asdict(credentials.load(tmp_path / name)).values() if v]
    assert len(set(values)) == len(values) == 16
    assert min(map(len, values)) >= 20


def test_the_webhook_secret_has_the_standard_form(tmp_path):
    prefix, _, coded = credentials.load(tmp_path).webhook_secret.partition("_")
    assert prefix == "whsec"
    assert len(base64.b64decode(coded, validate=True)) == 32


def test_a_file_from_an_older_version_is_completed_not_replaced(tmp_path):
    (tmp_path / "secrets.json").write_text(json.dumps({"redis_password": "kept", "of_another_version": "x"}))
    loaded = credentials.load(tmp_path)
    assert loaded.redis_password == "kept"
    assert json.loads((tmp_path / "secrets.json").read_text())["api_key_pepper"] == loaded.api_key_pepper


def test_the_development_key_survives(tmp_path):
    credentials.save(tmp_path, replace(credentials.load(tmp_path), development_api_key="vok_1"))
    assert credentials.load(tmp_path).development_api_key == "vok_1"


def test_no_secret_shows_in_the_representation(tmp_path):
    made = credentials.load(tmp_path)
    assert not [value for value in asdict(made).values() if value and value in repr(made)]
