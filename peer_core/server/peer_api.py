"""The peer API: what other members may ask of this peer. Handlers run in waitress workers, behind mutual TLS."""

from collections.abc import Callable, Sequence
from functools import partial
from io import FileIO
from typing import Any, Protocol

from flask import Flask, Response, jsonify, request
from werkzeug.wrappers import Response as BaseResponse

from peer_core.addresses import parse_url
from peer_core.directory.callback import Tried, plain_ip
from peer_core.errors import BadInputError, BarrioError, Fault, NotFoundError, RevokedError
from peer_core.library.browsing import MAX_PAGE, Browsing
from peer_core.library.serving import ChangedError
from peer_core.library.types import HeldFile
from peer_core.limits.line import Place, UploadLine
from peer_core.offers.types import OfferState
from peer_core.server import bundles, problems, shapes
from peer_core.server.file_piece import RangeNotSatisfiable, parse_range, piece_response
from peer_core.server.openapi import Route, mount
from peer_core.server.served import Served, ServedFile, ServedPart
from peer_core.transfer.coming import HEADER as COMING
from peer_core.transfer.exchange import Shown
from protos.agreed import decode_id

MAX_QUESTION = 64 << 10
MAX_ADDRESSES = 16
OCTETS = "application/octet-stream"
TREE_QUERY = {
    "after": "next_after of the page before",
    "limit": "rows, 1 to 1000; 200 without it",
    "below": "true: all files below, at any depth",
}


class ServingPeer(Protocol):
    """What the peer API needs of the peer that it belongs to."""

    def introduction(self) -> dict[str, Any]: ...
    def is_revoked(self, peer_id: str) -> bool: ...
    def relay(self, caller: str, sealed: bytes) -> bytes: ...
    def call_back(self, caller: str, calls_from: str, addresses: Sequence[str]) -> list[Tried]: ...
    def held(self, caller: str, content_id: bytes) -> HeldFile | None: ...
    def offered(self, caller: str, data: bytes) -> OfferState: ...
    def offer_told(self, caller: str, number: str, data: bytes) -> OfferState: ...
    def part(self, content_id: bytes) -> Shown | None:
        """What is here of a download that runs, when others may have it."""

    def meet(self, content_id: bytes, caller: str) -> list[str]:
        """Remembers that the caller downloads a content; others that do."""

    def sent(self, count: int) -> None: ...
    @property
    def browsing(self) -> Browsing: ...


class NotHereYetError(NotFoundError):
    title = "Those pieces are not here yet"


class StrangerError(BarrioError):
    title = "Only members may ask"
    status = 403


class InLineError(BarrioError):
    """`headers` belong into the answer (RFC 9110, 15.6.4)."""

    title = "Waiting in line"
    fault = Fault.PEER
    status = 503

    def __init__(self, place: Place) -> None:
        super().__init__(
            "This peer serves others now; you are number {position} in line. Ask again in {seconds} seconds.",
            "in-line",
            position=place.position,
            seconds=place.retry_seconds,
        )
        self.headers = {"Retry-After": str(place.retry_seconds), "Barrio-Line": str(place.position)}


def peer_api(peer: ServingPeer, line: UploadLine | None = None) -> Flask:
    """The application. The caller is who its certificate says (`barrio.peer_id`, set by the TLS layer).

    `line`: whose turn it is to get content; without it, everybody's.
    """
    app = Flask("barrio-peer-api")
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # of Flask's default provider
    # A path with an empty part names nothing, and is not another path.
    app.url_map.merge_slashes = False
    problems.install(app)

    @app.before_request
    def admit() -> None:
        caller = request.environ.get("barrio.peer_id", "")
        if not caller:
            raise StrangerError("The certificate names no member.", "certificate-no-member")
        if peer.is_revoked(caller):
            raise RevokedError("This member was removed from the barrio.", "caller-removed")

    @app.errorhandler(RangeNotSatisfiable)
    @app.errorhandler(InLineError)
    def with_headers(error: RangeNotSatisfiable | InLineError) -> Response:
        answer = problems.problem(error)
        answer.headers.update(error.headers)
        return answer

    mount(app, "Barrio peer API", _Handlers(peer, line or UploadLine()).routes())
    return app


class _Handlers:
    def __init__(self, peer: ServingPeer, line: UploadLine) -> None:
        self._peer = peer
        self._line = line
        self._bundles = bundles.Slots()

    def routes(self) -> list[Route]:
        content = "/v1/contents/<content_id>"
        return [
            Route("GET", "/v1/peer", "Who this peer is", self.introduce),
            Route("POST", "/v1/relay", "Passes a question on to the central", self.relay),
            Route("GET", content, "The bytes; Range, strong ETag", self.content),
            Route("GET", f"{content}/manifest", "The manifest's bytes", self.manifest),
            Route("GET", f"{content}/pieces", "Which pieces are here, as bits", self.pieces),
            Route(
                "POST",
                "/v1/bundle",
                "Many small contents in one answer",
                self.bundle,
                fields={"contents": "list of content ids, at most 256"},
            ),
            Route("POST", f"{content}/sources", "Says that the caller downloads it; who else does", self.sources),
            Route("GET", "/v1/shares", "What is shared here", self.shares),
            Route(
                "GET", "/v1/shares/<path:path>", "One folder of a share, or all below it", self.tree, query=TREE_QUERY
            ),
            Route(
                "POST",
                "/v1/offers",
                "Offers files to this peer's user",
                self.offered,
                fields={
                    "id": "32 hexadecimal digits, chosen by the sender",
                    "message": "a text, may be empty",
                    "expires_in": "seconds",
                    "files": "list of {folder, name, size, content_id}",
                },
            ),
            Route(
                "PATCH",
                "/v1/offers/<number>",
                "What became of an offer between the two",
                self.offer_told,
                fields={
                    "state": "by its sender: withdrawn; by its recipient: accepted, declined, done, failed",
                    "files_done": "files that are here",
                    "bytes_done": "bytes that are here",
                },
            ),
            Route(
                "POST",
                "/v1/probe",
                "Connects back to the caller's own addresses",
                self.probe,
                fields={"addresses": "list of at most 16 addresses that the caller has told the barrio"},
            ),
        ]

    def introduce(self) -> Response:
        return jsonify(self._peer.introduction())

    def probe(self) -> Response | tuple[str, int]:
        if not request.get_data():
            return "", 204
        addresses = problems.texts_field(problems.body({"addresses"}, {"addresses"}), "addresses") or []
        if len(addresses) > MAX_ADDRESSES:
            raise BadInputError("At most {most} addresses are tried.", "probe-most", most=MAX_ADDRESSES)
        for address in addresses:
            parse_url(address)
        calls_from = plain_ip(request.remote_addr or "")
        tried = self._peer.call_back(request.environ["barrio.peer_id"], calls_from, list(dict.fromkeys(addresses)))
        return jsonify(seen=calls_from, tried=[shapes.tried(t) for t in tried])

    def relay(self) -> Response:
        sealed = request.get_data()
        if not sealed or len(sealed) > MAX_QUESTION:
            raise BadInputError("A question has 1 to {most} bytes.", "question-size", most=MAX_QUESTION)
        return Response(self._peer.relay(request.environ["barrio.peer_id"], sealed), content_type=OCTETS)

    def offered(self) -> Response:
        return jsonify(state=self._peer.offered(request.environ["barrio.peer_id"], request.get_data()).value)

    def offer_told(self, number: str) -> Response:
        caller = request.environ["barrio.peer_id"]
        return jsonify(state=self._peer.offer_told(caller, number, request.get_data()).value)

    def shares(self) -> Response:
        return jsonify(shares=[shapes.shared_root(root) for root in self._peer.browsing.shares()])

    def tree(self, path: str) -> Response:
        limit = problems.number_argument("limit", 200, 1, MAX_PAGE)
        after, below = request.args.get("after", ""), request.args.get("below", "false")
        if below not in ("true", "false"):
            raise BadInputError("“below” is true or false.", "below-truth")
        browsing = self._peer.browsing
        page = browsing.below(path, after, limit) if below == "true" else browsing.page(path, after, limit)
        return jsonify(shapes.tree(page, with_folder=below == "true"))

    def content(self, content_id: str) -> BaseResponse:
        served = self._served(content_id)
        size = served.manifest.size
        span = parse_range(
            request.headers.get("Range"), size, if_range=request.headers.get("If-Range"), etag=content_id
        )
        if not served.covers(*(span or (0, size))):
            raise NotHereYetError("This peer is downloading that file itself; ask it for /pieces.", "ask-for-pieces")
        if request.method == "HEAD":
            return piece_response(_opened(served), span, size, content_id, head=True)
        caller = request.environ["barrio.peer_id"]
        place = self._line.enter(caller)
        if place is not None:
            raise InLineError(place)
        try:
            return self._bytes_of(served, span, content_id, partial(self._line.leave, caller))
        except BaseException:
            self._line.leave(caller)
            raise

    def _bytes_of(
        self, served: Served, span: tuple[int, int] | None, content_id: str, ended: Callable[[], None]
    ) -> BaseResponse:
        """`ended` follows when the answer is sent or cut, unless this raises."""
        file = _opened(served)
        size, watched = served.manifest.size, served.watch(file)
        try:
            return piece_response(file, span, size, content_id, counted=self._peer.sent, check=watched, ended=ended)
        except OSError as error:
            raise ChangedError("The file has changed since it was shared.", "file-changed") from error

    def bundle(self) -> BaseResponse:
        wanted = bundles.wanted_contents()
        caller = request.environ["barrio.peer_id"]
        place = self._line.enter(caller)
        if place is not None:
            raise InLineError(place)
        if not self._bundles.enter(caller):
            self._line.leave(caller)
            raise InLineError(Place(1, 1))

        def leave() -> None:
            self._bundles.leave(caller)
            self._line.leave(caller)

        try:
            file, length = bundles.bundle(map(self._find, wanted))
            answer = piece_response(file, None, length, "bundle", counted=self._peer.sent, ended=leave)
        except BaseException:
            leave()
            raise
        answer.headers.remove("ETag")
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def manifest(self, content_id: str) -> Response:
        return Response(self._served(content_id).manifest.to_bytes(), content_type=OCTETS)

    def pieces(self, content_id: str) -> Response:
        served = self._served(content_id)
        # Asked first: what comes meanwhile is told as coming, and not as neither.
        coming = served.coming()
        return Response(served.pieces(), content_type=OCTETS, headers={COMING: coming} if coming else None)

    def sources(self, content_id: str) -> Response:
        self._served(content_id)
        return jsonify(peers=self._peer.meet(decode_id(content_id), request.environ["barrio.peer_id"]))

    def _served(self, content_id: str) -> Served:
        try:
            wanted = decode_id(content_id)
        except ValueError as error:
            raise BadInputError("That is no content id: {reason}.", "content-id", reason=error) from error
        served = self._find(wanted)
        if served is None:
            raise NotFoundError("This peer does not share that file, nor offer it to you.", "file-not-for-you")
        return served

    def _find(self, content_id: bytes) -> Served | None:
        held = self._peer.held(request.environ["barrio.peer_id"], content_id)
        if held is not None:
            return ServedFile(held)
        shown = self._peer.part(content_id)
        return None if shown is None else ServedPart(shown)


def _opened(served: Served) -> FileIO:
    """Raises ChangedError."""
    try:
        return served.open()
    except OSError as error:
        raise ChangedError("The file cannot be read now.", "file-not-readable") from error
