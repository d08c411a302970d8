"""Can a stranger read anything of what is kept? Files, logs and answers are searched for what people wrote and are."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 1 << 22
OVERLAP_BYTES = 4_096
BETWEEN_DIGITS = rb"[ \-.()\x00]{0,2}"


@dataclass(frozen=True, slots=True)
class Leak:
    """`what` was found in `where`."""

    what: str
    where: str


@dataclass(frozen=True, slots=True)
class Needles:
    """What must not be found: by what it is called, an expression over bytes."""

    patterns: Mapping[str, re.Pattern[bytes]]

    @classmethod
    def of(cls, *, words: Mapping[str, str], numbers: Mapping[str, str]) -> "Needles":
        """By what each is called: texts, names and tokens; the digits with which phone numbers begin."""
        patterns = {}
        for name, word in words.items():
            patterns[name] = re.compile(b"|".join(re.escape(form) for form in _forms(word)), re.IGNORECASE)
        for name, digits in numbers.items():
            spelt = BETWEEN_DIGITS.join(re.escape(digit.encode()) for digit in digits)
            coded = [re.escape(form) for form in _coded(digits)]
            patterns[name] = re.compile(b"|".join([spelt, *coded]))
        patterns["a wamid"] = re.compile(rb"wamid\.[A-Za-z0-9+/=]{8,}")
        return cls(patterns)

    def in_bytes(self, raw: bytes, *, where: str) -> Iterator[Leak]:
        for name, pattern in self.patterns.items():
            if pattern.search(raw):
                yield Leak(name, where)

    def in_file(self, path: Path) -> set[Leak]:
        """Piece by piece, with what lies across the edges; a file that is gone holds nothing."""
        found: set[Leak] = set()
        try:
            with path.open("rb") as file:
                rest = b""
                while piece := file.read(CHUNK_BYTES):
                    raw = rest + piece
                    found.update(self.in_bytes(raw, where=str(path)))
                    rest = raw[-OVERLAP_BYTES:]
        except (FileNotFoundError, OSError):
            return found
        return found

    def in_files(self, folders: Iterable[Path]) -> tuple[set[Leak], int]:
        """In every file below; and how many bytes that were."""
        found: set[Leak] = set()
        size_bytes = 0
        for folder in folders:
            for path in folder.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    size_bytes += path.stat().st_size
                    found |= self.in_file(path)
        return found, size_bytes


def _forms(word: str) -> list[bytes]:
    """As it is, in hexadecimal and in base64, wherever in a text it begins."""
    raw = word.encode()
    return [raw, raw.hex().encode(), raw.decode().encode("utf-16-le"), *_coded(word)]


def _coded(word: str) -> list[bytes]:
    """In base64, whichever of three places it begins at: the characters that no neighbour changes."""
    raw = word.encode()
    found = []
    for place in range(3):
        coded = base64.b64encode(b"\0" * place + raw)
        whole = coded[(0, 2, 3)[place] : (place + len(raw)) // 3 * 4]
        if len(whole) >= 8:
            found.append(whole)
    return found
