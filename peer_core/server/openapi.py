"""Routes with their descriptions: registers them with Flask and tells them as OpenAPI 3.1."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, jsonify

from peer_core import __version__
from peer_core.errors import Fault

_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
        "detail_code": {"type": ["string", "null"], "description": "stable name of the detail"},
        "params": {"type": "object", "description": "the values in the detail: texts, numbers, problems' details"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "stable name of the title"},
        "fault": {"enum": [fault.value for fault in Fault]},
    },
    "required": ["type", "title", "detail", "detail_code", "params", "status", "code", "fault"],
}


@dataclass(frozen=True)
class Route:
    """`rule` in Flask's form; `query` and `fields` name the arguments and the body's fields with what they are."""

    method: str
    rule: str
    summary: str
    handler: Callable[..., Any]
    query: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    status: int = 200

    @property
    def path(self) -> str:
        return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", self.rule)


def mount(app: Flask, title: str, routes: list[Route]) -> None:
    """Adds the routes and `GET /v1/openapi.json`."""
    document = describe(title, routes)
    routes = [*routes, Route("GET", "/v1/openapi.json", "This API as OpenAPI 3.1", lambda: jsonify(document))]
    document["paths"].update(describe(title, routes[-1:])["paths"])
    for route in routes:
        name = f"{route.method} {route.rule}"
        app.add_url_rule(route.rule, name.replace(".", "_"), route.handler, methods=[route.method])


def describe(title: str, routes: list[Route]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in routes:
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", route.path)
        ] + [
            {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
            for name, text in route.query.items()
        ]
        operation: dict[str, Any] = {
            "summary": route.summary,
            "parameters": parameters,
            "responses": {
                str(route.status): {"description": "done"},
                "default": {
                    "description": "a problem (RFC 9457)",
                    "content": {"application/problem+json": {"schema": _PROBLEM}},
                },
            },
        }
        if route.fields:
            properties = {name: {"description": text} for name, text in route.fields.items()}
            schema = {"type": "object", "properties": properties, "additionalProperties": False}
            operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {"openapi": "3.1.0", "info": {"title": title, "version": __version__}, "paths": paths}
