"""The two ends of a libtorrent transfer; for the Python in which libtorrent is installed (see benchmarks/rivals.py).

`seed FILE TORRENT PORT` makes the torrent, says `ready`, and seeds until standard input ends.
`fetch TORRENT FOLDER PORT` fetches it and prints the seconds from adding the torrent until all is there.
"""

import sys
import time
from pathlib import Path

import libtorrent

PIECE = 1 << 20


def session(port: int) -> libtorrent.session:
    quiet = {"enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False}
    plain = {"out_enc_policy": 2, "in_enc_policy": 2, "enable_outgoing_utp": False, "enable_incoming_utp": False}
    return libtorrent.session({"listen_interfaces": f"127.0.0.1:{port}", **quiet, **plain})


def add(ends: libtorrent.session, torrent: str, folder: str, whole: bool) -> libtorrent.torrent_handle:
    wanted = libtorrent.add_torrent_params()
    wanted.ti = libtorrent.torrent_info(torrent)
    wanted.save_path = folder
    if whole:
        wanted.flags |= libtorrent.torrent_flags.seed_mode
    return ends.add_torrent(wanted)


def seed(file: Path, torrent: str, port: int) -> None:
    files = libtorrent.file_storage()
    libtorrent.add_files(files, str(file))
    made = libtorrent.create_torrent(files, PIECE)
    libtorrent.set_piece_hashes(made, str(file.parent))
    Path(torrent).write_bytes(libtorrent.bencode(made.generate()))
    ends = session(port)
    add(ends, torrent, str(file.parent), whole=True)
    print("ready", flush=True)
    sys.stdin.read()


def fetch(torrent: str, folder: str, port: int) -> None:
    ends = session(0)
    began = time.perf_counter()
    handle = add(ends, torrent, folder, whole=False)
    handle.connect_peer(("127.0.0.1", port))
    while not handle.status().is_finished:
        time.sleep(0.02)
    print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "seed":
        seed(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        fetch(sys.argv[2], sys.argv[3], int(sys.argv[4]))
