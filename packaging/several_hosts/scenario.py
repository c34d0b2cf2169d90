"""What happens in a run: sharing, searching, downloading across the networks, one fault after the other."""

import time
from collections.abc import Callable

from several_hosts.members import PEER_PORT, PeerHost
from several_hosts.street import EVERYTHING, NEAR, Street

PATIENCE_SECONDS = 60.0
Say = Callable[[str], None]


def play(street: Street, say: Say) -> None:
    begin(street, say)
    cut_the_cable(street, say)
    kill_without_goodbye(street, say)
    restart_the_central(street, say)
    change_an_address(street, say)
    close_ports(street, say)


def begin(street: Street, say: Say) -> None:
    say("sharing, searching, downloading from several holders across the networks")
    street.converge("the start")
    street.search_all()
    downloads = [street.download("eva", f"{EVERYTHING} comun.bin"), street.download("diego", f"{EVERYTHING} ana 0.bin")]
    downloads.append(street.download("ana", f"{EVERYTHING} eva 0.bin"))
    street.finish(downloads, PATIENCE_SECONDS)


def cut_the_cable(street: Street, say: Say) -> None:
    say("cutting the cable between the networks, in the middle of a download")
    download = street.download("diego", f"{EVERYTHING} comun.bin")
    street.under_way(download, 0.2, PATIENCE_SECONDS)
    street.network.cut()
    street.converge("a cut, on this side", set(NEAR), NEAR)
    street.network.mend()
    say("the cable is mended")
    street.converge("the cable is back")
    street.search_all()
    street.finish([download], PATIENCE_SECONDS)


def kill_without_goodbye(street: Street, say: Say) -> None:
    say("killing bruno in the middle of two downloads from him and others")
    downloads = [street.download("eva", f"{EVERYTHING} otro.bin"), street.download("ana", f"{EVERYTHING} carla 0.bin")]
    street.under_way(downloads[0], 0.2, PATIENCE_SECONDS)
    street.peers["bruno"].kill()
    street.live.discard("bruno")
    street.converge("a host is killed")
    street.search_all()
    street.finish(downloads, PATIENCE_SECONDS)
    say("bruno is back")
    street.peers["bruno"].start()
    street.live.add("bruno")
    street.converge("it is back")
    street.search_all()


def restart_the_central(street: Street, say: Say) -> None:
    say("killing the central in the middle of a download, and starting it again")
    download = street.download("diego", f"{EVERYTHING} otro.bin")
    street.under_way(download, 0.2, PATIENCE_SECONDS)
    street.central.program.kill()
    street.central.start()
    street.converge("the central restarts")
    street.search_all()
    street.finish([download], PATIENCE_SECONDS)


def change_an_address(street: Street, say: Say) -> None:
    say("carla gets another address in the middle of a download from her")
    again = street.download("ana", f"{EVERYTHING} carla 1.bin")
    download = street.download("diego", f"{EVERYTHING} comun.bin", again="again")
    street.under_way(download, 0.2, PATIENCE_SECONDS)
    street.network.move("carla", 99)
    street.converge("an address changes")
    street.search_all()
    street.finish([download, again, street.download("bruno", f"{EVERYTHING} carla 0.bin")], PATIENCE_SECONDS)


def close_ports(street: Street, say: Say) -> None:
    """The doctor tells both directions apart, on hosts with firewalls."""
    say("asking the doctor on hosts whose firewalls close one direction")
    street.network.close_port("diego", "input", PEER_PORT)
    street.network.close_port("bruno", "output", PEER_PORT)
    wanted = {"eva": "both-ways", "diego": "in-closed", "bruno": "out-closed"}

    def examine(peer: PeerHost) -> set[str]:
        """Outcomes; asked until the right one is among them: neighbours change while ports close."""
        end, codes = time.monotonic() + 3 * street.size.lease_seconds, set[str]()
        while wanted[peer.name] not in codes and time.monotonic() < end:
            codes = {check["code"] for check in peer.ask("GET", "/v1/doctor")["checks"]}
        return codes

    try:
        for name, codes in zip(sorted(wanted), street.all(examine, wanted), strict=True):
            right = wanted[name] in codes
            street.board.directions[f"{name} {wanted[name]}"] = right
            if not right:
                street.board.notes.append(f"the doctor on {name} said {sorted(codes)}, not {wanted[name]}")
    finally:
        street.network.open_port("diego")
        street.network.open_port("bruno")
