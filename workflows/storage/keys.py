"""Names of objects in the store. Every key begins with its tenant; every part of it is checked."""

from __future__ import annotations

import re

TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
SHA256 = re.compile(r"[0-9a-f]{64}")
SUFFIX = re.compile(r"(\.[a-z0-9]{1,8})?")


def step_output_key(tenant: str, orchestration_id: str, step: str, fence: int, *, sha256: str, suffix: str) -> str:
    """Where one attempt of a step puts its output: unique per fence and content, so attempts never overwrite."""
    name = f"{_checked(TOKEN, step)}/{fence:d}-{_checked(SHA256, sha256)}{_checked(SUFFIX, suffix)}"
    return job_prefix(tenant, orchestration_id) + name


def job_prefix(tenant: str, orchestration_id: str) -> str:
    """Everything one job has stored is under this prefix."""
    return f"{tenant_prefix(tenant)}jobs/{_checked(TOKEN, orchestration_id)}/"


def source_key(tenant: str, sha256: str) -> str:
    """Where an ingested source lies, for the nodes that did not download it."""
    return f"{tenant_prefix(tenant)}sources/{_checked(SHA256, sha256)[:2]}/{sha256}"


def uploads_prefix(tenant: str) -> str:
    """The part of our own bucket that a tenant's s3:// sources may name."""
    return f"{tenant_prefix(tenant)}uploads/"


def tenant_prefix(tenant: str) -> str:
    """Everything a tenant has stored is under this prefix."""
    return f"{_checked(TENANT, tenant)}/"


def _checked(shape: re.Pattern[str], text: str) -> str:
    if not shape.fullmatch(text):
        raise ValueError(f"{text!r} cannot be part of an object key")
    return text
