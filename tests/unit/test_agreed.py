"""Ids, invites and kinds: what both ends of the contract agree on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.agreed import (
    Invite,
    decode_id,
    encode_id,
    kind_of,
    peer_host_name,
    peer_id_from_host_name,
    revocations_message,
)

FINGERPRINT = encode_id(bytes(range(32)))


@given(st.binary(min_size=32, max_size=32))
def test_an_id_comes_back_from_its_text(digest: bytes) -> None:
    text = encode_id(digest)
    assert len(text) == 52
    assert decode_id(text) == digest
    assert peer_id_from_host_name(peer_host_name(text)) == text


@given(st.text(max_size=60))
def test_only_canonical_ids_are_taken(text: str) -> None:
    try:
        digest = decode_id(text)
    except ValueError:
        return
    assert encode_id(digest) == text


def test_the_last_character_cannot_be_varied() -> None:
    assert FINGERPRINT[-1] != "b"
    variants = [FINGERPRINT[:-1] + c for c in "abcdefghijklmnopqrstuvwxyz234567"]
    accepted = []
    for variant in variants:
        try:
            accepted.append(decode_id(variant))
        except ValueError:
            continue
    assert len(accepted) == len(set(accepted)) < len(variants)


@pytest.mark.parametrize("host", ["127.0.0.1", "central.example", "::1"])
def test_an_invite_comes_back_from_its_link(host: str) -> None:
    invite = Invite(host, 51016, "t0ken-_.x", FINGERPRINT)
    assert Invite.parse(f"  {invite}\n") == invite


@pytest.mark.parametrize(
    "link",
    [
        "",
        "hello",
        "http://h:1/join#t." + FINGERPRINT,
        "barrio://h/join#t." + FINGERPRINT,
        "barrio://h:99999/join#t." + FINGERPRINT,
        "barrio://h:1/joined#t." + FINGERPRINT,
        "barrio://h:1/join#." + FINGERPRINT,
        "barrio://h:1/join#t." + FINGERPRINT[:-1],
        "barrio://h:1/join#t." + FINGERPRINT.upper(),
        "barrio://[h:1/join#t." + FINGERPRINT,
    ],
)
def test_a_mangled_invite_is_refused_with_a_sentence(link: str) -> None:
    with pytest.raises(ValueError, match="invite"):
        Invite.parse(link)


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader_of_invites(text: str) -> None:
    try:
        Invite.parse(text)
    except ValueError as error:
        assert "invite" in str(error)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.FLAC", "audio"), ("x.tar.gz", "archive"), ("b.mkv", "video"), ("no", "other"), (".jpg", "other")],
)
def test_kinds_by_extension(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_the_signed_bytes_of_revocations_do_not_depend_on_the_order() -> None:
    assert revocations_message(7, ["b", "a"]) == b"barrio revocations v1\n7\na\nb"
