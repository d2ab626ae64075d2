"""What the doctor says about this machine and about broken ones."""

import os
import subprocess
import sys

import pytest

from orchestrator_tasks.embedded import doctor


def verdicts(data_dir, environ) -> dict[str, doctor.Finding]:
    return {finding.what: finding for finding in doctor.examine(data_dir, environ)}


def test_a_machine_that_runs_the_stack_is_well(tmp_path, engines):
    found = verdicts(tmp_path, {})
    assert [f for f in found.values() if f.verdict == "wrong"] == []
    assert {"Python", "FFmpeg", "fonts", "disk", "memory", "PostgreSQL", "Valkey", "object store", "user"} <= set(found)


def test_every_finding_that_is_not_ok_has_a_remedy(tmp_path):
    broken = {
        "FFMPEG": "/nowhere/ffmpeg", "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0",
        "S3_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
    }  # fmt: skip
    found = verdicts(tmp_path, broken)
    assert {name for name, f in found.items() if f.verdict == "wrong"} == {"FFmpeg", "database", "broker", "storage"}
    assert all(f.remedy for f in found.values() if f.verdict != "ok")


def test_an_ffmpeg_without_x264_is_named(tmp_path):
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\necho ' V....D mpeg4   MPEG-4'\n")
    fake.chmod(0o755)
    assert "lacks libx264, aac" in verdicts(tmp_path, {"FFMPEG": str(fake)})["FFmpeg"].says


def test_a_database_without_the_schema_is_named_and_one_with_it_is_not(tmp_path, engines, database):
    environ = {**engines.variables, "DATABASE_URL": engines.database_url}
    assert verdicts(tmp_path, environ)["migrations"].verdict == "wrong"
    current = verdicts(tmp_path, {**environ, "DATABASE_URL": database})
    assert [current[name].verdict for name in ("database", "migrations", "broker", "storage")] == ["ok"] * 4


def test_a_missing_bucket_is_named(tmp_path, engines):
    found = verdicts(tmp_path, {**engines.variables, "S3_BUCKET": "not-there"})["storage"]
    assert found.verdict == "wrong"
    assert "not-there" in found.says


def test_a_variable_that_does_not_parse_is_named(tmp_path):
    (finding,) = doctor.examine(tmp_path, {"PORT": "nine"})
    assert finding.verdict == "wrong"
    assert "PORT" in finding.says


@pytest.mark.parametrize(("url", "code"), [("", 0), ("postgresql://u:p@127.0.0.1:1/x", 1)])
def test_the_exit_code_says_whether_something_is_missing(tmp_path, url, code):
    argv = [sys.executable, "-m", "orchestrator_tasks.embedded", "doctor", "--data-dir", str(tmp_path)]
    done = subprocess.run(
        argv, env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert ("->" in done.stdout) >= (code == 1)
