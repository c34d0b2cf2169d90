"""`./barrio bench [NAME]…`: runs benches, prints what they found beside what is promised, keeps it as JSON."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import catalogue, hashing, heartbeats, idle, indexing, package, scan, small, storm, transfer
from benchmarks.plocate import measure as measure_plocate
from benchmarks.report import Report

FOLDER = Path(__file__).parent
SCALES = ("100k", "1m", "10m")


def bench_catalogue(arguments: argparse.Namespace, report: Report) -> None:
    """Publishing, searching beside plocate, withdrawing, memory, start, disk; over TLS: heartbeats."""
    catalogue.run(arguments.data, arguments.scale, report, again=arguments.keep)
    report.say("plocate on the same names")
    report.add("plocate", measure_plocate(arguments.data / f"catalogue-{arguments.scale}"))
    report.say("over TLS")
    report.add("tls", heartbeats.measure())
    _print_catalogue(report.found)


def _print_catalogue(found: dict[str, Any]) -> None:
    build, search, publish, tls = found["build"], found["search"], found["publish"], found["tls"]
    print(f"{build['entries']:,} entries, {build['contents']:,} contents, {build['names']:,} names")
    print("\nfirst page, ms: p50 / p99; ratio of p99 to plocate's (under 1 is ahead)")
    peer = found["plocate"].get("classes", {})
    for name, row in search["classes"].items():
        line = f"  {name:10}"
        for key in ("cold", "warm", "warm_processor"):
            line += f" {key} {row[key]['p50']:6.2f} / {row[key]['p99']:6.1f} "
        if name in peer:
            theirs = peer[name]
            ratio = row["warm"]["p99"] / max(theirs["p99"], 1e-9)
            line += f" plocate {theirs['p50']:6.2f} / {theirs['p99']:6.1f}  ratio {ratio:.2f}"
        print(line, f" rows {row['rows_mean']:.1f}, ended early {row['cut_short']}")
    busy = publish["publish_while_searching"]
    lines = [
        ("publish, alone, whole corpus, rows/s", build["publish_alone_rows_s"], "18,000 at 1m"),
        ("publish while searching, rows/s", busy["rows_s"], "14,000 at 10m"),
        ("searches meanwhile, p99 ms", busy["searches"]["p99"], "under 10"),
        ("withdraw single entries, rows/s", publish["withdraw_entries_rows_s"], "80,000"),
        ("drop whole peers, rows/s", publish["drop_rows_s"], "100,000"),
        ("  and reclaim their rows in the background, rows/s", publish["reclaim_rows_s"], ""),
        ("searches while the tiers are rebuilt, p99 ms", search["rebuilding"]["searches"]["p99"], "under 100"),
        ("memory with half of the peers live, MB", search["memory"]["VmRSS"], "under 900"),
        ("started and answering, s", search["start"]["first_answer_s"], "under 10"),
        ("disk, bytes an entry", build["disk_bytes_an_entry"], "at most 120"),
        ("heartbeats over TLS a second", tls["heartbeats"]["a_second"], "3,000"),
        ("  a second of the central's processor", tls["heartbeats"]["a_second_of_the_central_processor"], ""),
        ("100,000 files from one peer over TLS, s", tls["publish_over_tls"]["seconds"], "under 15"),
    ]
    print()
    for text, value, promised in lines:
        print(f"  {text:52} {value:12,.1f}   {promised}")


def bench_scan(arguments: argparse.Namespace, report: Report) -> None:
    """A look at unchanged files beside `find`."""
    _add(report, "scan", scan.run(argparse.Namespace(files=_BY_SCALE[arguments.scale][0])))


def bench_hash(arguments: argparse.Namespace, report: Report) -> None:
    """The first hashing beside `b3sum`."""
    _add(report, "hash", hashing.run(argparse.Namespace(mebibytes=_BY_SCALE[arguments.scale][1])))


def bench_index(arguments: argparse.Namespace, report: Report) -> None:
    """Memory and pace of a peer that indexes many files; how soon others find many new ones, and the window's loop."""
    files, _, new = _BY_SCALE[arguments.scale]
    _add(report, "index", indexing.run(argparse.Namespace(files=files, storm=new)))
    # What a central and two peers must take in before is bounded, so that it does not last for ever.
    _add(report, "storm", storm.run(argparse.Namespace(files=min(files, 200_000), storm=new)))


def bench_transfer(arguments: argparse.Namespace, report: Report) -> None:
    """A large file from one holder and from four, beside nginx and curl."""
    size = {"100k": 256, "1m": 1024, "10m": 2048}[arguments.scale]
    _add(report, "transfer", transfer.run(argparse.Namespace(mebibytes=size, rounds=5)))


def bench_small(arguments: argparse.Namespace, report: Report) -> None:
    """10,000 small files from peer to peer, beside rsync's daemon."""
    _add(report, "small", small.run(argparse.Namespace(files=10_000)))


def bench_package(arguments: argparse.Namespace, report: Report) -> None:
    """Sizes of the packages, and how soon their programs answer. Builds them first."""
    with tempfile.TemporaryDirectory() as folder:
        places = Path(folder) / "dist", Path(folder) / "work"
        _add(report, "package", package.run(*places, compressed=arguments.scale != "100k"))


def bench_idle(arguments: argparse.Namespace, report: Report) -> None:
    """Memory and processor time of a central and a headless peer with nothing to do."""
    found = idle.run(argparse.Namespace(seconds=60))
    report.add("idle", found)
    for name, row in found.items():
        most_mb, most_percent = idle.MOST[name]
        print(f"  {name:8} {row['resident_mb']:6.1f} MB resident, promised under {most_mb:.0f}")
        print(f"  {'':8} {row['rss_mb']:6.1f} MB with pages that its processes share counted in each")
        print(f"  {'':8} {row['processor_percent']:6.3f} % of a core, promised under {most_percent}")


def _add(report: Report, name: str, found: dict[str, Any]) -> None:
    report.add(name, found)
    for key, value in found.items():
        print(f"  {key:40} {value}")


# Files to look at and index, MiB to hash, new files at once.
_BY_SCALE = {"100k": (20_000, 512, 2_000), "1m": (200_000, 2048, 10_000), "10m": (1_000_000, 2048, 50_000)}
BENCHES: dict[str, Callable[[argparse.Namespace, Report], None]] = {
    "catalogue": bench_catalogue,
    "scan": bench_scan,
    "hash": bench_hash,
    "index": bench_index,
    "transfer": bench_transfer,
    "small": bench_small,
    "package": bench_package,
    "idle": bench_idle,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="./barrio bench", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(BENCHES)}; all without one")
    parser.add_argument("--scale", choices=SCALES, default="100k", help="how large; default 100k")
    parser.add_argument("--data", type=Path, default=FOLDER / "data", help="where corpora and databases are kept")
    parser.add_argument("--keep", action="store_true", help="use the catalogue that was built the last time")
    arguments = parser.parse_args()
    for name in arguments.names or BENCHES:
        if name not in BENCHES:
            parser.error(f"there is no bench {name!r}")
        report = Report(name, FOLDER / "results")
        BENCHES[name](arguments, report)
        report.add("options", {"scale": arguments.scale})
        print(f"\nkept in {report.write()}")


if __name__ == "__main__":
    main()
