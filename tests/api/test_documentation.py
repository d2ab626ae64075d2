"""The OpenAPI document and its page: complete, self-contained, true to the code."""

from __future__ import annotations

import re

from flask import Flask

from workflows import errors as tree
from workflows.errors import OrchestratorError

UNDOCUMENTED = {"/api/v1/openapi.json", "/api/v1/docs"}


def test_every_address_is_documented(unconnected: Flask) -> None:
    document = unconnected.test_client().get("/api/v1/openapi.json").get_json()
    rules = {rule.rule.replace("<", "{").replace(">", "}") for rule in unconnected.url_map.iter_rules()}
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == rules - UNDOCUMENTED
    for path, operations in document["paths"].items():
        for method in operations.keys() & {"get", "post", "put", "delete"}:
            operation = operations[method]
            assert operation["summary"], path
            assert operation["x-needs"] in {"open", "viewer", "submitter", "operator", "admin"}
            assert bool(operation["security"]) is (operation["x-needs"] != "open")
            assert "default" in operation["responses"]


def test_every_reference_of_the_document_leads_somewhere(unconnected: Flask) -> None:
    answer = unconnected.test_client().get("/api/v1/openapi.json")
    document = answer.get_json()
    references = set(re.findall(r'"\$ref": ?"#/([^"]+)"', answer.text))
    assert references
    for reference in references:
        place = document
        for part in reference.split("/"):
            place = place[part]


def test_the_submission_shows_its_two_answers_and_the_briefs_example(unconnected: Flask) -> None:
    operation = unconnected.test_client().get("/api/v1/openapi.json").get_json()["paths"]["/api/v1/orchestrate"]["post"]
    assert {"200", "202"} <= set(operation["responses"])
    assert operation["requestBody"]["content"]["application/json"]["example"]["id"] == "job_12345"
    assert [parameter["name"] for parameter in operation["parameters"]] == ["Idempotency-Key"]


def test_the_analysis_takes_a_job_too(unconnected: Flask) -> None:
    operation = unconnected.test_client().get("/api/v1/openapi.json").get_json()["paths"]["/api/v1/analyze"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["example"]["elements"]
    assert operation["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Analyzed"
    }
    assert not operation.get("parameters")


def test_the_preview_answers_with_a_picture(unconnected: Flask) -> None:
    operation = unconnected.test_client().get("/api/v1/openapi.json").get_json()["paths"]["/api/v1/preview"]["post"]
    assert set(operation["responses"]["200"]["content"]) == {"image/png"}
    assert "202" in operation["responses"]
    assert set(operation["requestBody"]["content"]["application/json"]["example"]) == {"job", "time", "max_width"}


def test_errors_are_documented_as_problems(unconnected: Flask) -> None:
    document = unconnected.test_client().get("/api/v1/openapi.json").get_json()
    assert set(document["components"]["responses"]["DEFAULT_ERROR"]["content"]) == {"application/problem+json"}


def test_the_page_needs_no_other_host_and_no_script(unconnected: Flask) -> None:
    answer = unconnected.test_client().get("/api/v1/docs")
    assert answer.content_type.startswith("text/html")
    assert "<script" not in answer.text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_type_of_every_problem_leads_to_its_words(unconnected: Flask) -> None:
    page = unconnected.test_client().get("/api/v1/docs").text
    kinds = [kind for kind in vars(tree).values() if isinstance(kind, type) and issubclass(kind, OrchestratorError)]
    assert len(kinds) > 20
    for kind in kinds:
        assert f'id="{kind.code}"' in page
    problem = unconnected.test_client().get("/api/v1/nothing").get_json()
    address, _, anchor = problem["type"].partition("#")
    assert unconnected.test_client().get(address).status_code == 200
    assert f'id="{anchor}"' in page
