"""What the doctor says: one check, how it went, and the sentence for each outcome. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

Detail = str | int


class State(Enum):
    """NOTE: works, and is worth knowing. SKIPPED: could not be tried now."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"
    SKIPPED = "skipped"


# Outcome → sentence: what is, and what to do where something is to be done. The window has the same in its languages.
SENTENCES: Mapping[str, str] = {
    "not-running": "No peer runs with the data folder {path}; start one with “barrio-peer run”, or open Barrio.",
    "joined": "This device is in “{network}” as “{name}”.",
    "not-joined": "This device is in no barrio yet; join with an invite: barrio-peer join INVITE.",
    "not-online": "This device is in a barrio, but not online: {reason}",
    "removed": "The barrio has removed this device; ask its keeper for a new invite.",
    "certificate-ends": "The certificate ends in {days} days; it is renewed by itself as soon as the central answers.",
    "folder-good": "The data folder {path} can be written.",
    "folder-bad": "The data folder {path} cannot be written ({reason}); give this user the right to, or make room.",
    "folder-open": "Other users of this computer can read the data folder {path}; close it with: chmod 700 FOLDER.",
    "key-keyring": "The passphrase of this device's key is in the keyring, which answers.",
    "key-file": "No keyring answered when this device joined, so its key's passphrase is in a file that only you can "
    "read; keep the data folder to yourself.",
    "key-lost": "The keyring does not give the passphrase of this device's key ({reason}); unlock it, or join again.",
    "clock-good": "The clock agrees with the central's.",
    "clock-ahead": "The clock of this device is {seconds} seconds ahead of the central's; set it, best by the network.",
    "clock-behind": "The clock of this device is {seconds} seconds behind the central's; set it, best by the network.",
    "clock-unknown": "The central has not told its time yet; ask again when it answers.",
    "listening": "This device listens at {address}.",
    "listening-elsewhere": "{reason}",
    "not-listening": "Nothing answers at {address} on this device itself ({reason}); start Barrio again, and look "
    "whether a security program stops it.",
    "address-reached": "Others reach this device at {address} (tried by {names}).",
    "address-refused": "{names} found nothing that listens at {address}; correct what --advertise says, or the port "
    "that the router forwards.",
    "address-silent": "{names} got no answer at {address}; open port {port} (TCP) in this device's firewall, or "
    "forward it in the router.",
    "address-other": "Somebody else answers at {address}; correct what --advertise says, or the port that the router "
    "forwards.",
    "address-unreached": "{names} could not connect to {address}; open port {port} (TCP) in this device's firewall, or "
    "forward it in the router, if others are to use it.",
    "address-alone": "{address} means this device alone; connect it to a network, or say with --advertise where others "
    "reach it.",
    "address-untried": "Nobody could try {address} now; ask again when another member is here.",
    "both-ways": "This device reaches others, and they reach it.",
    "in-closed": "This device reaches others, but they cannot connect to it: open port {port} (TCP) in its firewall, "
    "or forward it in the router.",
    "in-closed-nat": "This device reaches others, but they cannot connect to it: {names} sees it at {seen}, so it is "
    "behind a router. Forward port {port} (TCP) there, and run it with --advertise https://{seen}:{port}.",
    "out-closed": "The central answers, but this device cannot connect to others: let it connect to their ports (TCP) "
    "in its firewall.",
    "nobody-to-try": "Whether others reach this device could not be tried: nobody else is here, or all are busy.",
    "central-good": "The central at {address} answers and lists this device.",
    "central-silent": "The central at {address} does not answer; look whether this device is in its network, and ask "
    "the keeper of the barrio whether it runs.",
    "central-other": "The central at {address} answers, but does not list this device's addresses yet; ask again in "
    "a minute.",
    "neighbour-good": "{name} answers and passes questions on.",
    "neighbour-silent": "{name} does not answer at {address}; another member takes its place by itself.",
    "neighbour-none": "No other member is here: questions go to the central itself, which then knows who asks.",
    "disk-good": "{free} are free in {path}.",
    "disk-low": "Only {free} are left in {path}; make room, or choose another folder.",
    "disk-unknown": "How much is free in {path} cannot be told ({reason}); look whether the disk is there.",
    "watching": "Changes in the shared folders are seen at once.",
    "watching-late": "{reason} Until then changes are found by the regular looks.",
    "watching-off": "The process that watches the shared folders does not run; it is started again by itself, and the "
    "regular looks find changes meanwhile.",
    "watching-nothing": "Nothing is shared yet; share a folder with: barrio-peer share add FOLDER.",
    "index-bad": "{reason}",
}


@dataclass(frozen=True)
class Check:
    """`name`: what was looked at; `code`: the outcome, a key of SENTENCES; `details` fill its sentence."""

    name: str
    state: State
    code: str
    details: Mapping[str, Detail] = field(default_factory=dict)

    @property
    def message(self) -> str:
        return SENTENCES[self.code].format(**self.details)


def all_good(checks: Iterable[Check]) -> bool:
    """Nothing is bad."""
    return all(check.state is not State.BAD for check in checks)
