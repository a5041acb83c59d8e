"""What is promised, in one sentence each, and which proofs show it; then what is not promised."""

from typing import NamedTuple


class Promise(NamedTuple):
    """A promise: its sentence, and the modules of this package that try to break it."""

    sentence: str
    proofs: tuple[str, ...]


PROMISES = {
    "P0": Promise("The hand-derived gradient is right.", ("gradients",)),
    "P1": Promise(
        "Whichever call to the disk fails, and however, a resume gives the same bytes.", ("faults",)
    ),
    "P2": Promise(
        "Killed at any moment, nothing that was kept is lost, and no run is there twice.",
        ("kills",),
    ),
    "P3": Promise(
        "A damaged file is found and named, never read silently; only its runs are recomputed.",
        ("corruption",),
    ),
    "P4": Promise(
        "Without disk, rights or folder: one sentence, an exit code that is not 0, and a resume.",
        ("starvation",),
    ),
    "P5": Promise(
        "Same seed, same bits, whatever the order, resumes, chunks, devices and shards.", ("bits",)
    ),
    "P6": Promise(
        "Other versions of JAX give the same outcomes within stated limits.", ("versions",)
    ),
    "P7": Promise("A run that breaks harms no other run.", ("poison",)),
    "P8": Promise(
        "A resume never mixes: any one field that differs is refused by its name.", ("mixing",)
    ),
    "P9": Promise(
        "Every seed is there exactly once, which is checked on every read.",
        ("mixing", "forgeries"),
    ),
    "P10": Promise(
        "Bad input is caught before anything is trained, in one sentence with the option's name.",
        ("options", "forgeries"),
    ),
    "P11": Promise("What does not fit the memory there is, is refused first.", ("memory",)),
    "P12": Promise(
        "A long sweep compiles one training program; its memory is flat.", ("compiles",)
    ),
    "P13": Promise(
        "It stops politely within 5 s, and keeps a second writer out.", ("stops", "starvation")
    ),
    "P14": Promise(
        "Upgrades are noticed: golden weights and losses for every version.", ("versions",)
    ),
    "P15": Promise("The statistics are right: a 95 % interval covers 95 +- 1 %.", ("statistics",)),
    "P16": Promise("The tests have teeth: every mutant dies.", ("teeth", "teeth_store")),
    "P17": Promise(
        "What a user brings is part of a sweep's identity, by what it computes.", ("mixing",)
    ),
    "P18": Promise("It stops at any moment: exit 130, and no traceback.", ("stops",)),
    "P19": Promise("What moves bits is pinned or recorded.", ("surroundings",)),
    "P20": Promise("Every rule by name is the rule of its own paper.", ("rules",)),
}

PROOFS = tuple(dict.fromkeys(name for promise in PROMISES.values() for name in promise.proofs))
"""The modules, in the order of the promises."""

NOT_PROMISED = (
    "Nothing here ran on a GPU or a TPU. Across kinds of device the statistics agree, not the "
    "bits; a folder is resumed on the kind that began it.",
    "A disk that reports a write as safe before it is (a lying `fsync`, a controller without "
    "battery) can lose at a power cut what was reported as kept. Kills of the process are tried "
    "here, cuts of the power are not.",
    "A network file system is asked for exclusive files and atomic renames. NFS was not tried.",
    "A seal is a checksum: it finds accidents. Someone who forges a file and its seal is not "
    "found out; only that such a file runs nothing, and shows nothing but printable text.",
)
