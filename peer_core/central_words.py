"""What the central says of a refusal, so that the window can say it in the person's language. Pure."""

import json
from typing import Any

import grpc

from protos.sentences import CENTRAL_KEY, Sentence, heard

_MOST = 300


def told_by_central(error: grpc.RpcError) -> Sentence:
    """Empty when it gives no reason."""
    metadata: Any = error.trailing_metadata()
    for key, value in metadata or ():
        if key == CENTRAL_KEY:
            try:
                return heard(json.loads(value), _MOST)
            except (ValueError, RecursionError):
                break
    return Sentence(str(error.details() or "")[:_MOST])
