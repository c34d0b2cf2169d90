"""Which addresses a peer tells others, and that a move is noticed."""

import ipaddress
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from peer_core.addresses import parse_url
from peer_core.own_addresses import MAX_ADDRESSES, Whereabouts, choose, interface_addresses, route_sources

INTERFACES = ["127.0.0.1", "::1", "fe80::1%eth0", "169.254.3.4", "10.0.0.7", "192.168.1.5", "2a00::5", "fd00::7"]


def test_a_server_on_one_address_tells_that_one() -> None:
    assert choose("127.0.0.1", 5, [], INTERFACES) == ["https://127.0.0.1:5"]
    assert choose("::1", 5, [], INTERFACES) == ["https://[::1]:5"]
    assert choose("ana.example", 5, [], INTERFACES) == ["https://ana.example:5"]


def test_a_server_everywhere_tells_all_its_addresses_the_way_to_the_central_first() -> None:
    v4 = ["https://192.168.1.5:5", "https://10.0.0.7:5"]
    assert choose("0.0.0.0", 5, ["192.168.1.5"], INTERFACES) == v4
    both = choose("::", 5, ["192.168.1.5", "2a00::5"], INTERFACES)
    assert both == [v4[0], "https://[2a00::5]:5", v4[1], "https://[fd00::7]:5"]


def test_loopback_is_told_only_when_there_is_nothing_else() -> None:
    assert choose("0.0.0.0", 5, ["127.0.0.1"], ["127.0.0.1", "10.0.0.7"]) == ["https://10.0.0.7:5"]
    assert choose("::", 5, ["127.0.0.1"], ["127.0.0.1", "::1"]) == ["https://127.0.0.1:5", "https://[::1]:5"]
    assert choose("::", 5, [], ["fe80::1%eth0", "169.254.3.4"]) == ["https://127.0.0.1:5"]


@given(
    st.sampled_from(["0.0.0.0", "::"]),
    st.lists(st.ip_addresses().map(str), max_size=4),
    st.lists(st.one_of(st.ip_addresses().map(str), st.text(max_size=9)), max_size=30),
)
def test_whatever_interfaces_say_the_addresses_are_valid_and_few(host: str, routed: list[str], own: list[str]) -> None:
    told = choose(host, 5, routed, own)
    assert 1 <= len(told) <= MAX_ADDRESSES
    assert len(set(told)) == len(told)
    found = [ipaddress.ip_address(parse_url(url)[0]) for url in told]
    assert not any(ip.is_multicast or ip.is_link_local or ip.is_unspecified for ip in found)
    assert all(ip.is_loopback for ip in found) or not any(ip.is_loopback for ip in found)


def test_this_computer_has_loopback_at_least() -> None:
    assert "127.0.0.1" in interface_addresses()
    assert "127.0.0.1" in route_sources(["127.0.0.1", "nowhere.invalid"])


class Computer:
    def __init__(self) -> None:
        self.interfaces = ["10.0.0.7"]
        self.asked = 0

    def routes(self, towards: Sequence[str]) -> list[str]:
        assert towards[0] == "central.example"
        self.asked += 1
        return []

    def whereabouts(self, *told: str) -> Whereabouts:
        return Whereabouts(lambda: ("::", 5), "central.example", told, lambda: list(self.interfaces), self.routes)


def test_a_move_is_noticed_and_looking_costs_no_lookup_of_names() -> None:
    computer = Computer()
    whereabouts = computer.whereabouts()
    assert whereabouts.look()
    assert whereabouts.current == ("https://10.0.0.7:5",)
    assert not whereabouts.look()
    assert computer.asked == 1
    computer.interfaces = ["10.0.0.9", "fe80::1%eth0"]
    assert whereabouts.look()
    assert whereabouts.current == ("https://10.0.0.9:5",)
    computer.interfaces = ["10.0.0.9"]
    assert not whereabouts.look(), "nothing that others could use has changed"


def test_what_the_person_chose_stays_whatever_the_interfaces_are() -> None:
    computer = Computer()
    whereabouts = computer.whereabouts("https://ana.example:51020")
    assert not whereabouts.look()
    assert whereabouts.current == ("https://ana.example:51020",)
