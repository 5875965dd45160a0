"""The OpenAPI description says what the routes do: generated requests are answered as it says."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.core import NotSet
from tests.unit.server.web.machines.served import Served

from steelyard.server.web.machines import describe
from steelyard.server.web.settings import Quotas

EXAMPLES = 25


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 - a node, and its paths
    quotas = Quotas(10**9, 10**9, 10**9, 10**9, 10**9)
    served = Served(tmp_path_factory.mktemp("described"), quotas)
    yield served, describe(served.app)
    served.close()


def operations(served: Served, document: dict[str, Any]) -> list[Any]:
    own = {path: item for path, item in document["paths"].items() if path in MACHINES}
    schema = schemathesis.openapi.from_dict({**document, "paths": own})
    schema.app = served.app
    return [found.ok() for found in schema.get_all_operations()]


MACHINES = {
    "/events", "/inbox", "/cards", "/card", "/cases/{case}/entries", "/cases/{case}/checkpoint",
    "/health", "/atom.xml", "/.well-known/security.txt",
    "/.well-known/csaf/provider-metadata.json",
}  # fmt: skip


def test_every_path_is_described(described: tuple[Served, dict[str, Any]]) -> None:
    served, document = described
    assert set(document["paths"]) >= MACHINES
    assert document["openapi"] == "3.1.0"
    answer = served.ask("GET", "/openapi.json").json()
    assert set(answer["paths"]) == set(document["paths"])


@pytest.mark.parametrize("path", sorted(MACHINES))
def test_generated_requests_are_answered_as_described(
    described: tuple[Served, dict[str, Any]], path: str
) -> None:
    served, document = described
    chosen = [item for item in operations(served, document) if item.path == path]
    statuses: set[int] = set()

    @given(data=st.data(), signer=st.sampled_from(["", "lab"]))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def try_out(data: st.DataObject, signer: str) -> None:
        for operation in chosen:
            case = data.draw(operation.as_strategy())
            method, query = case.method.upper(), urlencode(case.query or {})
            address = f"{case.formatted_path}?{query}" if query else case.formatted_path
            answer = served.ask(method, address, body_of(case.body), by=signer)
            statuses.add(answer.status_code)
            require_described(document, path, method.lower(), answer)

    try_out()
    assert statuses


def body_of(value: Any) -> bytes:  # noqa: ANN401 - what was generated
    if isinstance(value, bytes):
        return value
    return b"" if isinstance(value, NotSet) else json.dumps(value).encode()


def require_described(document: dict[str, Any], path: str, method: str, answer: Any) -> None:  # noqa: ANN401
    responses = document["paths"][path][method]["responses"]
    assert str(answer.status_code) in responses, (answer.status_code, answer.text)
    content = responses[str(answer.status_code)]["content"]
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in content
    schema = content[media_type]["schema"]
    if "json" in media_type:
        whole = {**schema, "components": document["components"]}
        Draft202012Validator(whole).validate(answer.json())
