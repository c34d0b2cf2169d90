"""Links to contents: `barrio://content/CONTENT_ID?name=NAME`. Pure; what comes in is hostile."""

from urllib.parse import parse_qs, quote, urlsplit

from peer_core.errors import BadInputError
from protos.agreed import decode_id


def content_link(content_id: str, name: str) -> str:
    return f"barrio://content/{content_id}?name={quote(name, safe='')}"


def parse_content(text: str) -> tuple[str, str | None]:
    """(content id, name or None) of a content id, a link, or a holder's URL. Raises BadInputError."""
    given = text.strip()
    name = None
    if ":" in given:
        try:
            url = urlsplit(given)
            query = parse_qs(url.query, max_num_fields=10)
        except ValueError:
            raise BadInputError("That link is mangled; copy it again.", "link-mangled") from None
        parts = [p for p in (url.netloc + url.path).split("/") if p]
        if url.scheme not in ("barrio", "https") or len(parts) < 2 or parts[-2] not in ("content", "contents"):
            raise BadInputError("A link to a file looks like barrio://content/CONTENT_ID.", "link-shape")
        given = parts[-1]
        name = query["name"][0] if "name" in query else None
    try:
        decode_id(given)
    except ValueError as error:
        raise BadInputError(
            "“{text}” is no content id: {reason}.", "content-id-of", text=given[:60], reason=error
        ) from error
    return given, name
