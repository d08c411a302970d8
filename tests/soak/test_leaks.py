"""What is planted is found, in whichever spelling; what is encrypted is not."""

import base64
import os
from pathlib import Path

import pytest

from tests.soak.leaks import CHUNK_BYTES, Needles

NUMBER = "35191234"
NEEDLES = Needles.of(words={"a text": "mkqx7p2a", "a name": "Aurelia Qx7p2a"}, numbers={"a phone number": NUMBER})
WAMID = "wamid." + base64.b64encode(b"\x1d\x01\x0c" + f"{NUMBER}0042".encode() + b"\x15\x02").decode()


@pytest.mark.parametrize(
    ("planted", "what"),
    [
        (b"mkqx7p2ac0001m0001", "a text"),
        (b"MKQX7P2A", "a text"),
        ("mkqx7p2a".encode("utf-16-le"), "a text"),
        (b"mkqx7p2a".hex().encode(), "a text"),
        (base64.b64encode(b"mkqx7p2ac0001"), "a text"),
        (base64.b64encode(b"?mkqx7p2ac0001"), "a text"),
        (base64.b64encode(b"??mkqx7p2ac0001"), "a text"),
        (b"to Aurelia Qx7p2a 0007", "a name"),
        (f"+{NUMBER}0042".encode(), "a phone number"),
        (b"+351 912 340 042", "a phone number"),
        (b"(351) 91-23-40-042", "a phone number"),
        (b"351.912.340.042", "a phone number"),
        (WAMID.encode(), "a wamid"),
        (WAMID.removeprefix("wamid.").encode(), "a phone number"),
    ],
)
def test_planted_text_is_found(tmp_path: Path, planted: bytes, what: str) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "database").write_bytes(os.urandom(5_000) + planted + os.urandom(5_000))
    found, size_bytes = NEEDLES.in_files([folder])
    assert what in {leak.what for leak in found}
    assert {leak.where for leak in found} == {str(folder / "database")}
    assert size_bytes == 10_000 + len(planted)


def test_text_across_the_edge_of_two_pieces_is_found(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\xff" * (CHUNK_BYTES - 4) + b"mkqx7p2ac0001" + b"\xff" * 100)
    assert {leak.what for leak in NEEDLES.in_file(path)} == {"a text"}


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "database").write_bytes(b"mkqx7p2b 351 912 35 wamid. Aurelia Qx7p2b")
    assert NEEDLES.in_files([tmp_path])[0] == set()
