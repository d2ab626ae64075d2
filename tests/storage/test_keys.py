"""Object keys begin with their tenant and let nothing else in."""

import pytest

from workflows.storage.keys import job_prefix, source_key, step_output_key, uploads_prefix

SHA = "ab" * 32


def test_a_step_output_is_unique_per_fence_and_content():
    key = step_output_key("acme", "orch_1", "process", 3, sha256=SHA, suffix=".mp4")
    assert key == f"acme/jobs/orch_1/process/3-{SHA}.mp4"
    assert key.startswith(job_prefix("acme", "orch_1"))
    assert step_output_key("acme", "orch_1", "process", 4, sha256=SHA, suffix=".mp4") != key


def test_one_tenants_prefix_is_never_the_beginning_of_anothers():
    assert not job_prefix("acme2", "orch_1").startswith(uploads_prefix("acme").removesuffix("uploads/"))
    assert source_key("acme", SHA) == f"acme/sources/ab/{SHA}"


@pytest.mark.parametrize("tenant", ["", "a/b", "..", ".", "a b", "a\n", "-a", "é", "x" * 65, "a."])
def test_a_tenant_that_is_no_token_is_refused(tenant):
    with pytest.raises(ValueError, match="object key"):
        uploads_prefix(tenant)


@pytest.mark.parametrize(
    ("job", "step", "sha256", "suffix"),
    [
        ("../x", "process", SHA, ".mp4"),
        ("orch_1", "a/b", SHA, ".mp4"),
        ("orch_1", "..", SHA, ".mp4"),
        ("orch_1", "process", "AB" * 32, ".mp4"),
        ("orch_1", "process", SHA, "/../x"),
    ],
)
def test_a_part_that_would_leave_its_place_is_refused(job, step, sha256, suffix):
    with pytest.raises(ValueError, match="object key"):
        step_output_key("acme", job, step, 1, sha256=sha256, suffix=suffix)
