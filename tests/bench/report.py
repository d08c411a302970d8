"""How is a run told? One line a figure: what it is, what it should be, whether it is, and what stands in the way."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Verdict = Literal["met", "missed", "floor", ""]


@dataclass(frozen=True, slots=True)
class Line:
    """`at_most`: smaller is better. `floor`: what is just bearable where the target is not reached.

    `limit` says what used the machine while it was measured; it is shown where the target is missed.
    """

    scenario: str
    database: str
    name: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = False
    floor: float | None = None
    limit: str = ""
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """Empty where there is no target."""
        if self.target is None:
            return ""
        if self._reaches(self.target):
            return "met"
        return "floor" if self.floor is not None and self._reaches(self.floor) else "missed"

    def _reaches(self, wanted: float) -> bool:
        if math.isnan(self.value):
            return False
        return self.value <= wanted if self.at_most else self.value >= wanted


def shown(value: float) -> str:
    """Three digits that count, thousands with a comma."""
    if math.isnan(value):
        return "none"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(lines: Sequence[Line]) -> str:
    """Fixed columns for a terminal."""
    rows = [("scenario", "database", "figure", "value", "target", "", "")]
    for line in lines:
        target = ""
        if line.target is not None:
            target = f"{'<=' if line.at_most else '>='} {shown(line.target)}"
        remark = line.note if line.verdict in {"met", ""} else "; ".join(filter(None, (line.note, line.limit)))
        value = f"{shown(line.value)} {line.unit}".strip()
        rows.append((line.scenario, line.database, line.name, value, target, line.verdict, remark))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    told = [
        "  ".join((*(cell.ljust(width) for cell, width in zip(row[:6], widths, strict=True)), row[6])).rstrip()
        for row in rows
    ]
    return "\n".join([told[0], "-" * max(len(line) for line in told), *told[1:]])


def to_json(lines: Sequence[Line], *, about: dict[str, object]) -> str:
    """The same for programs. A figure that could not be had is null."""
    figures = [{**asdict(line), "verdict": line.verdict} for line in lines]
    for figure in figures:
        if isinstance(figure["value"], float) and math.isnan(figure["value"]):
            figure["value"] = None
    return json.dumps({**about, "figures": figures}, indent=2, allow_nan=False) + "\n"
