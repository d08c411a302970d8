"""What opens, what does not, and what stays equal through a rotation."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.store.crypto import (
    KEY_BYTES,
    CannotDecrypt,
    MasterKeys,
    UnknownKey,
    Vault,
    key_id,
    key_name,
    new_wrapped_index_key,
    rewrap_index_key,
)
from bridge.store.database import StoreUnavailable

OLD, NEW = b"o" * KEY_BYTES, b"n" * KEY_BYTES
PLACE, ROW = "message.text", "01ROW"
anything = st.text(st.characters(exclude_categories=[]))


def vault_of(*keys: bytes, index_key: bytes = b"i" * KEY_BYTES) -> Vault:
    return Vault(MasterKeys(keys), index_key=index_key)


@given(text=anything)
def test_every_text_comes_back(text: str) -> None:
    vault = vault_of(NEW)
    assert vault.unseal_text(vault.seal_text(text, PLACE, ROW), PLACE, ROW) == text


@given(plain=st.binary(max_size=300))
def test_sealed_value_shows_nothing_and_never_looks_the_same(plain: bytes) -> None:
    vault = vault_of(NEW)
    sealed = vault.seal(plain, PLACE, ROW)
    assert sealed != vault.seal(plain, PLACE, ROW)
    assert len(sealed) == len(plain) + 33
    assert len(plain) < 4 or plain not in sealed


@pytest.mark.parametrize(
    ("place", "row"), [("message.wamid", ROW), (PLACE, "01OTHER"), ("message.tex", "t:01ROW"), ("", "")]
)
def test_value_moved_elsewhere_does_not_open(place: str, row: str) -> None:
    sealed = vault_of(NEW).seal(b"secret", PLACE, ROW)
    with pytest.raises(CannotDecrypt):
        vault_of(NEW).unseal(sealed, place, row)


@pytest.mark.parametrize("keys", [[OLD], [b"x" * KEY_BYTES, OLD]])
def test_value_of_an_unknown_key_opens_later_and_says_which_key_it_needs(keys: list[bytes]) -> None:
    with pytest.raises(UnknownKey, match="DESKBRIDGE_ENCRYPTION_KEYS") as failure:
        vault_of(*keys).unseal(vault_of(NEW).seal(b"secret", PLACE, ROW), PLACE, ROW)
    assert failure.value.key == key_name(key_id(NEW))
    # Whoever waits for a database that is away waits for a key as well.
    assert isinstance(failure.value, StoreUnavailable)


@given(data=st.data(), plain=st.binary(max_size=40))
def test_any_altered_or_shortened_value_does_not_open(data: st.DataObject, plain: bytes) -> None:
    vault = vault_of(NEW)
    sealed = vault.seal(plain, PLACE, ROW)
    if data.draw(st.booleans()):
        position = data.draw(st.integers(0, len(sealed) - 1))
        flipped = sealed[position] ^ data.draw(st.integers(1, 255))
        altered = sealed[:position] + bytes([flipped]) + sealed[position + 1 :]
    else:
        altered = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
    with pytest.raises((CannotDecrypt, UnknownKey)):
        vault.unseal(altered, PLACE, ROW)


def test_failure_tells_nothing_of_the_value() -> None:
    sealed = vault_of(NEW).seal(b"351910000111", PLACE, ROW)
    with pytest.raises(CannotDecrypt) as failure:
        vault_of(NEW).unseal(sealed, "elsewhere", ROW)
    assert "351910000111" not in str(failure.value)
    assert failure.value.__cause__ is None


def test_newest_key_seals_and_older_ones_open() -> None:
    before = vault_of(OLD).seal(b"secret", PLACE, ROW)
    both = vault_of(NEW, OLD)
    assert both.unseal(before, PLACE, ROW) == b"secret"
    after = both.seal(b"secret", PLACE, ROW)
    assert vault_of(NEW).unseal(after, PLACE, ROW) == b"secret"
    with pytest.raises(UnknownKey):
        vault_of(OLD).unseal(after, PLACE, ROW)
    assert after[1:5] == key_id(NEW)


@pytest.mark.parametrize("keys", [[], [b"short"], [NEW, b"x" * 33], [b""]])
def test_keys_are_32_bytes_and_there_is_one(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKeys(keys)


def test_index_survives_a_rotation() -> None:
    wrapped = new_wrapped_index_key(MasterKeys([OLD]))
    before = Vault.unwrap(MasterKeys([OLD]), wrapped)
    again = rewrap_index_key(MasterKeys([NEW, OLD]), wrapped)
    after = Vault.unwrap(MasterKeys([NEW]), again)
    assert after.index("wamid", "wamid.X") == before.index("wamid", "wamid.X")
    with pytest.raises(UnknownKey):
        Vault.unwrap(MasterKeys([OLD]), again)


def test_two_installations_index_alike_values_differently() -> None:
    keys = MasterKeys([NEW])
    one, two = (Vault.unwrap(keys, new_wrapped_index_key(keys)) for _ in range(2))
    assert one.index("wa_id", "351910000111") != two.index("wa_id", "351910000111")


@given(kind=anything, value=anything, other_kind=anything, other_value=anything)
def test_only_equal_values_of_one_kind_have_equal_indexes(
    kind: str, value: str, other_kind: str, other_value: str
) -> None:
    vault = vault_of(NEW, index_key=os.urandom(KEY_BYTES))
    if "\x00" not in kind + other_kind:
        same = vault.index(kind, value) == vault.index(other_kind, other_value)
        assert same is ((kind, value) == (other_kind, other_value))
