"""Who may call what: keys, roles, tenants. Closed unless declared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from orchestrator_api.auth.needs import OPEN, declared
from tests.api.bodies import quick
from tests.api.conftest import client_of
from workflows.access import keys
from workflows.errors import Unauthorised
from workflows.settings import Settings

ROLES = ("viewer", "submitter", "operator", "admin")
# Address -> the lowest role that may call it. A new address must be added here.
MATRIX = {
    ("GET", "/health"): OPEN,
    ("GET", "/ready"): OPEN,
    ("GET", "/api/v1/openapi.json"): OPEN,
    ("GET", "/api/v1/docs"): OPEN,
    ("GET", "/api/v1/health"): "viewer",
    ("POST", "/api/v1/orchestrate"): "submitter",
    ("POST", "/api/v1/analyze"): "submitter",
    ("POST", "/api/v1/preview"): "submitter",
    ("GET", "/api/v1/jobs"): "viewer",
    ("GET", "/api/v1/jobs/<name>"): "viewer",
    ("GET", "/api/v1/jobs/<name>/status"): "viewer",
    ("GET", "/api/v1/jobs/<name>/events"): "viewer",
    ("GET", "/api/v1/services"): "viewer",
    ("GET", "/api/v1/resources"): "viewer",
    ("GET", "/api/v1/workflows"): "viewer",
}


def test_every_address_declares_who_may_call_it(unconnected: Flask) -> None:
    found = {
        (method, rule.rule): declared(unconnected.view_functions[rule.endpoint])
        for rule in unconnected.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert found == MATRIX


def test_an_address_that_declares_nothing_is_closed_even_to_admins(app: Flask, key: Callable[..., str]) -> None:
    app.add_url_rule("/forgotten", view_func=lambda: "secret")
    assert app.test_client().get("/forgotten").status_code == 401
    assert client_of(app, key("admin")).get("/forgotten").status_code == 403


def test_each_role_reaches_what_it_may_and_nothing_else(app: Flask, key: Callable[..., str]) -> None:
    for role in (None, *ROLES):
        client = app.test_client() if role is None else client_of(app, key(role))
        for (method, rule), needed in MATRIX.items():
            status = client.open(rule.replace("<name>", "none"), method=method, json={}).status_code
            if needed == OPEN or (role is not None and ROLES.index(role) >= ROLES.index(needed)):
                assert status not in {401, 403}, (role, method, rule)
            else:
                assert status == (401 if role is None else 403), (role, method, rule)


def test_a_key_comes_in_either_header(app: Flask, key: Callable[..., str]) -> None:
    secret, client = key("viewer"), app.test_client()
    assert client.get("/api/v1/jobs", headers={"X-API-Key": secret}).status_code == 200
    assert client.get("/api/v1/jobs", headers={"Authorization": f"bearer {secret}"}).status_code == 200
    assert client.get(f"/api/v1/jobs?api_key={secret}").status_code == 401


def test_a_refused_key_says_how_to_send_one(unconnected: Flask) -> None:
    answer = unconnected.test_client().get("/api/v1/jobs")
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Bearer" in answer.get_json()["remedy"]


def test_keys_that_are_wrong_in_any_way_are_refused_alike(
    engine: Engine, settings: Settings, key: Callable[..., str]
) -> None:
    good = key()
    expired = key(expires=datetime.now(UTC) - timedelta(seconds=1))
    revoked = key()
    stranger = good.replace(good.split("_")[2], "0" * 16)
    with engine.begin() as conn:
        assert keys.revoke(conn, revoked.split("_")[2])
        assert not keys.revoke(conn, revoked.split("_")[2])
        assert keys.verify(conn, settings, good).tenant == "acme"
        words = set()
        for bad in ("", "x", good[:-1], good[:-1] + ("0" if good[-1] != "0" else "1"), stranger, expired, revoked):
            with pytest.raises(Unauthorised) as refusal:
                keys.verify(conn, settings, bad)
            words.add(refusal.value.message)
        with pytest.raises(Unauthorised):  # the pepper is part of the secret
            keys.verify(conn, replace(settings, api_key_pepper="another"), good)
    assert len(words) == 1


def test_a_right_id_with_another_secret_is_refused(engine: Engine, settings: Settings, key: Callable[..., str]) -> None:
    one, other = key(), key()
    head = one.rpartition("_")[0] + "_" + other.rpartition("_")[2][:64]
    forged = head + keys._checksum(head)
    with engine.connect() as conn, pytest.raises(Unauthorised):
        keys.verify(conn, settings, forged)


def test_the_database_does_not_hold_the_secret(engine: Engine, key: Callable[..., str]) -> None:
    secret = key().split("_")[3]
    with engine.connect() as conn:
        row = str(conn.execute(text("SELECT k::text FROM api_keys k")).scalar_one())
    assert secret not in row
    assert secret[:64] not in row


def test_a_key_says_which_environment_it_is_for(engine: Engine, settings: Settings) -> None:
    with engine.begin() as conn:
        assert keys.create(conn, replace(settings, environment="production"), "acme", "viewer", "x").startswith(
            "vos_live_"
        )
        assert keys.create(conn, settings, "acme", "viewer", "x").startswith("vos_dev_")
        with pytest.raises(ValueError, match="role"):
            keys.create(conn, settings, "acme", "root", "x")
        with pytest.raises(ValueError, match="tenant"):
            keys.create(conn, settings, "../acme", "viewer", "x")


def test_a_verified_key_is_remembered_for_seconds_only() -> None:
    now, asked = [0.0], []

    def look_up(_: str) -> keys.Caller:
        asked.append(now[0])
        return caller

    caller = keys.Caller(tenant="acme", role=keys.Role.VIEWER, key_id="1")
    remembered = keys.Remembered(ttl_s=5, clock=lambda: now[0])
    for moment in (0.0, 4.9, 5.1):
        now[0] = moment
        assert remembered.caller("k", look_up) is caller
    assert asked == [0.0, 5.1]


def test_another_tenants_job_does_not_exist(app: Flask, key: Callable[..., str]) -> None:
    ours, theirs = client_of(app, key()), client_of(app, key("admin", tenant="globex"))
    made = ours.post("/api/v1/orchestrate", json=quick(mode="async")).get_json()
    for name in ("job_quick", made["orchestrationId"]):
        assert ours.get(f"/api/v1/jobs/{name}").status_code == 200
        for rest in ("", "/status", "/events"):
            assert theirs.get(f"/api/v1/jobs/{name}{rest}").status_code == 404
    assert theirs.get("/api/v1/jobs").get_json()["jobs"] == []
    assert theirs.get("/api/v1/workflows").get_json()["workflows"] == []
    same_id = theirs.post("/api/v1/orchestrate", json=quick(mode="async", width=640))
    assert same_id.status_code == 202  # an id belongs to its tenant
    assert same_id.get_json()["orchestrationId"] != made["orchestrationId"]


def test_production_refuses_to_start_without_a_pepper(make: Callable[..., Flask]) -> None:
    with pytest.raises(ValueError, match="API_KEY_PEPPER"):
        make(environment="production", api_key_pepper="")
