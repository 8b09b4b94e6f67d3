"""Ways in which a file goes bad: cut short, flipped bits, lost, doubled, swapped or foreign blocks, bytes at its end."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

FEW = 40  # in `make test`; BELAY_CORRUPTIONS asks for more


def wanted() -> int:
    """Return how many corruptions a test is to try."""
    return int(os.environ.get("BELAY_CORRUPTIONS", FEW))


def corruptions(good: bytes, count: int, seed: str) -> Iterator[tuple[str, bytes]]:
    """Yield `count` corruptions of `good`, each with its kind and never equal to `good`; the same for the same seed."""
    draw = random.Random(seed)
    kinds = ("cut", "bit", "bits", "appended", "zeros", "erased", "lost", "doubled", "swapped")
    made = 0
    while made < count:
        kind = kinds[made % len(kinds)]
        bad = _corrupted(good, kind, draw)
        if bad != good:
            made += 1
            yield kind, bad


def _corrupted(good: bytes, kind: str, draw: random.Random) -> bytes:
    place = draw.randrange(len(good))
    size = draw.choice((1, 2, 16, 512, 4096))
    first, last = sorted((place, draw.randrange(len(good))))
    middle = (first + last) // 2
    flipped = bytearray(good)
    for _ in range(1 if kind == "bit" else draw.randrange(2, 9)):
        flipped[draw.randrange(len(good))] ^= 1 << draw.randrange(8)
    return {
        "cut": good[:place],
        "bit": bytes(flipped),
        "bits": bytes(flipped),
        "appended": good + draw.choice((draw.randbytes(size), good[:size], good)),
        "zeros": good + bytes(size),
        "erased": good[:place] + bytes(len(good[place : place + size])) + good[place + size :],
        "lost": good[:place] + good[place + size :],
        "doubled": good[: place + size] + good[place:],
        "swapped": good[:first] + good[middle:last] + good[first:middle] + good[last:],
    }[kind]
