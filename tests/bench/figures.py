"""What do many measurements come to? Percentiles and rates, pure."""

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of them do not exceed. NaN when there are none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def steady_rate(done: Sequence[tuple[float, float]]) -> float:
    """Per second, between the first and the last of (seconds, count so far). NaN when nothing can be told."""
    if len(done) < 2 or done[-1][0] <= done[0][0]:
        return math.nan
    return (done[-1][1] - done[0][1]) / (done[-1][0] - done[0][0])
