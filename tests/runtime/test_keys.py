"""Keys are made once, whole, for their owner alone."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.runtime import keys
from bridge.runtime.settings import SettingsError, load_settings


@pytest.mark.parametrize(
    ("make", "name"), [(keys.encryption_keys, "encryption-keys"), (keys.admin_token, "admin-token")]
)
def test_made_once_with_mode_0600_and_read_afterwards(tmp_path: Path, make: type, name: str) -> None:
    data_dir = tmp_path / "var"
    first = make(data_dir)
    assert make(data_dir) == first
    assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o600
    assert make(tmp_path / "other") != first


def test_many_at_once_agree_on_one_key_and_leave_no_draft(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(keys.encryption_keys, [tmp_path / "var"] * 64))
    assert len(found) == 1
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["encryption-keys"]


def test_what_stands_already_is_never_overwritten(tmp_path: Path) -> None:
    assert keys.write_once(tmp_path / "file", "first")
    assert not keys.write_once(tmp_path / "file", "second")
    assert (tmp_path / "file").read_text() == "first\n"


def test_a_damaged_key_file_is_told_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "encryption-keys").write_text("canary")
    settings = load_settings({"DESKBRIDGE_DATA_DIR": str(tmp_path)})
    with pytest.raises(SettingsError, match="encryption-keys cannot be used") as caught:
        settings.encryption_keys()
    assert "canary" not in str(caught.value)
    assert (tmp_path / "encryption-keys").read_text() == "canary"
