"""The window's only way to its peer: the local API over HTTP. Runs in the window's event loop; never blocks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from desktop.api import (
    Answer,
    ApiError,
    FilesPage,
    Library,
    Listing,
    Members,
    PatternFault,
    Setting,
    Share,
    Status,
    Transfer,
)
from desktop.api_answers import (
    answer_from,
    files_page_from,
    library_from,
    listing_from,
    members_from,
    pattern_faults_from,
    setting_from,
    share_from,
    shared_folder_from,
    status_from,
    transfer_from,
)
from desktop.api_offers import Offer, Offers, offer_from, offers_from, rules_from, sent_from
from desktop.api_reach import CheckUp, FoundBarrio, barrios_from, check_up_from
from protos.sentences import from_json

PAGE = 100
TREE_PAGE = 200
LIST_PAGE = 1000
T = TypeVar("T")


class ApiClient:
    """One client of one peer. Every method raises ApiError, and nothing else, when the peer says no or nothing."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(30, connect=5),
            trust_env=False,  # a proxy of the environment must never see what goes to the local peer
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def status(self) -> Status:
        return await self._call("GET", "/v1/status", status_from)

    async def check_up(self) -> CheckUp:
        return await self._call("GET", "/v1/doctor", check_up_from)

    async def barrios(self) -> tuple[FoundBarrio, ...]:
        """Those that members announce on this network; takes some seconds."""
        return await self._call("GET", "/v1/barrios", barrios_from)

    async def join(self, invite: str, name: str) -> Status:
        body = {"invite": invite, **({"name": name} if name else {})}
        return await self._call("POST", "/v1/join", status_from, json=body)

    async def search(
        self, words: str, kind: str = "", min_size: int | None = None, max_size: int | None = None, cursor: str = ""
    ) -> Answer:
        wanted = {"q": words, "kind": kind, "min_size": min_size, "max_size": max_size, "cursor": cursor}
        params = {k: v for k, v in wanted.items() if v not in ("", None)}
        return await self._call("GET", "/v1/search", answer_from, params={**params, "limit": PAGE})

    async def library(self) -> Library:
        return await self._call("GET", "/v1/shares", library_from)

    async def add_share(self, path: str) -> Share:
        return await self._call("POST", "/v1/shares", share_from, json={"path": path})

    async def change_share(self, name: str, exclude: Sequence[str], hidden: bool) -> Share:
        body = {"exclude": list(exclude), "hidden": hidden}
        return await self._call("PATCH", "/v1/shares", share_from, params={"name": name}, json=body)

    async def pattern_faults(self, exclude: Sequence[str]) -> tuple[PatternFault, ...]:
        return await self._call("POST", "/v1/patterns", pattern_faults_from, json={"exclude": list(exclude)})

    async def pause_indexing(self, paused: bool) -> None:
        await self._call("PATCH", "/v1/indexing", _nothing, json={"paused": paused})

    async def remove_share(self, name: str) -> None:
        await self._call("DELETE", "/v1/shares", _nothing, params={"name": name})

    async def rescan(self, name: str | None = None) -> None:
        await self._call("POST", "/v1/rescan", _nothing, json={"name": name} if name else {})

    async def transfers(self) -> tuple[Transfer, ...]:
        """The whole list, a folder as one."""
        listed, cursor = await self._call("GET", "/v1/transfers", _transfers_page, params={"limit": LIST_PAGE})
        while cursor:
            params = {"limit": LIST_PAGE, "cursor": cursor}
            more, cursor = await self._call("GET", "/v1/transfers", _transfers_page, params=params)
            listed += more
        return listed

    async def find_transfers(self, content_ids: Sequence[str]) -> tuple[Transfer, ...]:
        """The newest file with each of the contents, also in folders; of the first 1,000."""
        body = {"content_ids": list(content_ids[:LIST_PAGE])}
        return await self._call("POST", "/v1/transfers/find", _transfers, json=body)

    async def transfer_files(self, transfer_id: str, after: int = 0, limit: int | None = None) -> FilesPage:
        params = {"after": after, "limit": limit or TREE_PAGE}
        return await self._call("GET", f"/v1/transfers/{transfer_id}/files", files_page_from, params=params)

    async def choose_files(
        self, transfer_id: str, wanted: bool, ids: Sequence[str] | None = None, have: bool = False
    ) -> Transfer:
        """All files of a folder's transfer, or `ids`, or those whose content was here already."""
        body = {"wanted": wanted, "have": have, **({} if ids is None else {"ids": list(ids)})}
        return await self._call("PATCH", f"/v1/transfers/{transfer_id}/files", transfer_from, json=body)

    async def order_transfer(self, transfer_id: str, move: str | None = None, priority: str | None = None) -> Transfer:
        body = {k: v for k, v in {"move": move, "priority": priority}.items() if v}
        return await self._call("PATCH", f"/v1/transfers/{transfer_id}", transfer_from, json=body)

    async def set_all_transfers(self, state: str) -> None:
        await self._call("PATCH", "/v1/transfers", _nothing, json={"state": state})

    async def clear_done(self) -> None:
        await self._call("DELETE", "/v1/transfers", _nothing, params={"state": "done"})

    async def download(self, content_id: str, name: str, output: str | None = None) -> Transfer:
        body = {"content_id": content_id, **({"name": name} if name else {}), **({"output": output} if output else {})}
        return await self._call("POST", "/v1/transfers", transfer_from, json=body)

    async def set_transfer_state(self, transfer_id: str, state: str) -> Transfer:
        return await self._call("PATCH", f"/v1/transfers/{transfer_id}", transfer_from, json={"state": state})

    async def remove_transfer(self, transfer_id: str, keep: bool = False) -> None:
        """`keep`: the partial files stay."""
        params = {"keep": "true"} if keep else {}
        await self._call("DELETE", f"/v1/transfers/{transfer_id}", _nothing, params=params)

    async def members(self, text: str = "", cursor: str = "") -> Members:
        params = {k: v for k, v in {"q": text, "cursor": cursor}.items() if v}
        return await self._call("GET", "/v1/members", members_from, params={**params, "limit": PAGE})

    async def shares_of(self, peer_id: str) -> Listing:
        """What a member shares, as the folders of one page that is all."""
        return await self._call("GET", f"/v1/peers/{quote(peer_id, safe='')}/shares", _shares_of)

    async def listing(self, peer_id: str, path: Sequence[str], after: str = "") -> Listing:
        """A page of one folder of a member; `path`: the share and the folders below it."""
        where = "/".join(quote(part, safe="") for part in path)
        params = {"limit": TREE_PAGE, **({"after": after} if after else {})}
        url = f"/v1/peers/{quote(peer_id, safe='')}/shares/{where}"
        return await self._call("GET", url, listing_from, params=params)

    async def download_tree(
        self, peer_id: str, path: Sequence[str], output: str | None = None, paused: bool = False
    ) -> tuple[Transfer, ...]:
        """A file of a member, or all files below a folder as one transfer; `paused`: files are chosen before."""
        body = {"peer_id": peer_id, "path": "/".join(path), **({"output": output} if output else {}), "paused": paused}
        return await self._call("POST", "/v1/transfers", _transfers, json=body)

    async def offers(self) -> Offers:
        """All offers both ways, and whose are accepted without asking."""
        offers = await self._call("GET", "/v1/offers", offers_from)
        return replace(offers, rules=await self._call("GET", "/v1/offer-rules", rules_from))

    async def send(self, paths: Sequence[str], peer_ids: Sequence[str], message: str = "") -> tuple[Offer, ...]:
        """Offers files and folders to members."""
        body = {"paths": list(paths), "to": list(peer_ids), "message": message}
        return await self._call("POST", "/v1/offers", sent_from, json=body)

    async def set_offer_state(self, offer_id: str, state: str, output: str | None = None) -> Offer:
        body = {"state": state, **({"output": output} if output else {})}
        return await self._call("PATCH", f"/v1/offers/{offer_id}", offer_from, json=body)

    async def forget_offer(self, offer_id: str) -> None:
        await self._call("DELETE", f"/v1/offers/{offer_id}", _nothing)

    async def set_offer_rule(self, peer_id: str, output: str | None, max_bytes: int | None) -> None:
        body = {k: v for k, v in {"output": output, "max_bytes": max_bytes}.items() if v is not None}
        await self._call("PUT", f"/v1/offer-rules/{quote(peer_id, safe='')}", _nothing, json=body)

    async def remove_offer_rule(self, peer_id: str) -> None:
        await self._call("DELETE", f"/v1/offer-rules/{quote(peer_id, safe='')}", _nothing)

    async def settings(self) -> tuple[Setting, ...]:
        return await self._call("GET", "/v1/settings", _settings)

    async def change_settings(self, changes: dict[str, Any]) -> tuple[Setting, ...]:
        return await self._call("PATCH", "/v1/settings", _settings, json=changes)

    async def _call(self, method: str, path: str, parse: Callable[[Any], T], **options: Any) -> T:
        try:
            response = await self._http.request(method, path, **options)
            if not response.is_success:
                raise _refused(response)
            return parse(response.json() if response.content else {})
        except httpx.TimeoutException as error:
            raise ApiError("Barrio's peer takes too long", "Try again in a moment.", "timeout") from error
        except httpx.HTTPError as error:
            raise ApiError("Barrio's peer does not answer", "Close Barrio and open it again.", "unreachable") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            detail = "Check the address: another program seems to answer there."
            raise ApiError("The peer's answer makes no sense", detail, "bad-answer") from error


def _nothing(data: Any) -> None:
    return None


def _transfers(data: Any) -> tuple[Transfer, ...]:
    return tuple(map(transfer_from, data["transfers"]))


def _transfers_page(data: Any) -> tuple[tuple[Transfer, ...], str | None]:
    return _transfers(data), data.get("next_cursor")


def _shares_of(data: Any) -> Listing:
    return Listing(tuple(map(shared_folder_from, data["shares"])), None)


def _settings(data: Any) -> tuple[Setting, ...]:
    return tuple(map(setting_from, data["settings"]))


def _refused(response: httpx.Response) -> ApiError:
    try:
        problem = response.json()
        return ApiError(str(problem["title"]), from_json(problem), str(problem["code"]), response.status_code)
    except (ValueError, KeyError, TypeError):
        reason = f"HTTP {response.status_code} {response.reason_phrase}"
        return ApiError("The peer refused", reason, "refused", response.status_code)
