"""Errors as answers: `application/problem+json` (RFC 9457), and what both APIs check of a request."""

import json
import logging
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from peer_core.errors import BadInputError, BarrioError, Fault
from protos.sentences import as_json, say

log = logging.getLogger("barrio.server")


def problem_fields(code: str, title: str, message: str, fault: Fault, status: int) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": title,
        **as_json(message),
        "status": status,
        "code": code,
        "fault": fault.value,
    }


def problem(error: BarrioError) -> Response:
    fields = problem_fields(error.code, error.title, error.message, error.fault, error.status)
    return Response(json.dumps(fields), error.status, content_type="application/problem+json")


def install(app: Flask) -> None:
    """Makes every error of an application a problem document."""

    @app.after_request
    def answered(response: Response) -> Response:
        # The rule, not the path, which names what was asked for.
        log.debug("answered %s %s status=%d", request.method, request.url_rule, response.status_code)
        return response

    @app.errorhandler(BarrioError)
    def known(error: BarrioError) -> Response:
        return problem(error)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        code = (error.name or "error").lower().replace(" ", "-")
        fields = problem_fields(code, error.name, _sentence(error), Fault.ME, error.code or 500)
        return Response(json.dumps(fields), error.code, content_type="application/problem+json")

    @app.errorhandler(Exception)
    def mistake(error: Exception) -> Response:
        log.exception("a request failed by a mistake in the program: %s %s", request.method, request.url_rule)
        return problem(BarrioError("Barrio made a mistake; its log says more.", "mistake"))


def _sentence(error: HTTPException) -> str:
    if error.code == 404:
        return say("There is nothing at this address; GET /v1/openapi.json lists what there is.", "address-unknown")
    if error.code == 405:
        return say(
            "This address does not take that method; GET /v1/openapi.json lists what it takes.", "method-unknown"
        )
    if error.code == 413:
        return say("The body of the request is too large.", "body-large")
    return (error.description or error.name)[:300]


def body(allowed: Collection[str], required: Collection[str] = ()) -> dict[str, Any]:
    """The JSON object in the request. Raises BadInputError for anything else, and for fields that are not known."""
    try:
        value = json.loads(request.get_data() or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadInputError("The body is not JSON.", "body-not-json") from error
    if not isinstance(value, dict):
        raise BadInputError("The body is not a JSON object.", "body-no-object")
    unknown = set(value) - set(allowed)
    if unknown:
        raise BadInputError(
            "There is no field “{key}”; there are: {keys}.",
            "field-unknown",
            key=min(unknown)[:40],
            keys=", ".join(sorted(allowed)),
        )
    missing = set(required) - {k for k, v in value.items() if v is not None}
    if missing:
        raise BadInputError("The field “{key}” is missing.", "field-missing", key=min(missing))
    return value


def text_field(value: dict[str, Any], key: str, most: int = 4096) -> str | None:
    """Raises BadInputError unless the field is absent, null, or a text of at most `most` characters."""
    text = value.get(key)
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > most:
        raise BadInputError(
            "The field “{key}” is a text of at most {most} characters.", "field-text", key=key, most=most
        )
    return text


def list_argument(key: str) -> tuple[str, ...]:
    """Texts of the query with commas between, each once."""
    return tuple(dict.fromkeys(part for text in request.args.get(key, "").split(",") if (part := text.strip())))


def time_argument(key: str) -> int:
    """Seconds since 1970 of an ISO 8601 time or date of the query, UTC unless it says otherwise; 0 without one.

    Raises BadInputError.
    """
    text = request.args.get(key, "")
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text.strip())
        return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))
    except (ValueError, OverflowError) as error:
        raise BadInputError(
            "“{key}” is a time such as 2025-04-30 or 2025-04-30T12:00:00Z.", "argument-time", key=key
        ) from error


def texts_field(value: dict[str, Any], key: str) -> list[str] | None:
    """Raises BadInputError unless the field is absent, null, or a list of texts."""
    texts = value.get(key)
    if texts is None:
        return None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadInputError("The field “{key}” is a list of texts.", "field-texts", key=key)
    return texts


def truth_field(value: dict[str, Any], key: str) -> bool | None:
    """Raises BadInputError unless the field is absent, null, true or false."""
    truth = value.get(key)
    if truth is not None and not isinstance(truth, bool):
        raise BadInputError("The field “{key}” is true or false.", "field-truth", key=key)
    return truth


def number_argument(key: str, default: int, least: int, most: int) -> int:
    """A whole number from the query. Raises BadInputError."""
    text = request.args.get(key, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18 or not least <= int(text) <= most:
        raise BadInputError(
            "“{key}” is a whole number from {least} to {most}.", "argument-number", key=key, least=least, most=most
        )
    return int(text)
