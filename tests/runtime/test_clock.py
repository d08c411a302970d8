"""Business time can be moved; real time cannot."""

from datetime import UTC, timedelta
from pathlib import Path

import pytest

from bridge.runtime.clock import REREAD_SECONDS, Clock


def test_without_a_file_business_time_is_real_time_in_utc() -> None:
    clock = Clock()
    before, business, after = clock.real_now(), clock.business_now(), clock.real_now()
    assert before <= business <= after
    assert business.tzinfo is UTC


def test_the_file_moves_business_time_alone(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("90000.5\n")
    clock = Clock(tmp_path / "clock")
    before, business, after = clock.real_now(), clock.business_now(), clock.real_now()
    assert before + timedelta(seconds=90000.5) <= business <= after + timedelta(seconds=90000.5)


@pytest.mark.parametrize("garbled", [None, b"", b"soon", b"nan", b"inf", b"1e18", b"-99999999999", b"\xff\xfe"])
def test_a_missing_or_garbled_file_leaves_the_last_good_offset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, garbled: bytes | None
) -> None:
    monkeypatch.setattr("bridge.runtime.clock.REREAD_SECONDS", -1.0)
    file = tmp_path / "clock"
    file.write_text("3600")
    clock = Clock(file)
    assert clock.business_now() > clock.real_now() + timedelta(seconds=3599)
    file.unlink() if garbled is None else file.write_bytes(garbled)
    assert clock.business_now() > clock.real_now() + timedelta(seconds=3599)
    file.write_text("0")
    assert clock.business_now() <= clock.real_now()


def test_the_file_is_not_read_for_every_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.runtime.clock.REREAD_SECONDS", 3600.0)
    clock = Clock(tmp_path / "clock")
    clock.business_now()
    (tmp_path / "clock").write_text("3600")
    assert clock.business_now() <= clock.real_now()
    assert REREAD_SECONDS == 1.0


def test_whoever_doubts_the_time_may_have_the_file_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.runtime.clock.REREAD_SECONDS", 3600.0)
    clock = Clock(tmp_path / "clock")
    clock.business_now()
    (tmp_path / "clock").write_text("3600")
    assert (clock.was_moved(), clock.was_moved()) == (True, False)
    assert clock.business_now() > clock.real_now() + timedelta(seconds=3599)
    assert not Clock().was_moved()
