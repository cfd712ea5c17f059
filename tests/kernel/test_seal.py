"""What is sealed opens with the same key at the same place, and in no other way."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.kernel.seal import Seal, SealError, create_key

KEY = bytes(range(32))


@given(plain=st.binary(max_size=200), place=st.binary(max_size=20))
def test_what_is_sealed_opens_again(plain: bytes, place: bytes) -> None:
    assert Seal(KEY).open(Seal(KEY).seal(plain, place=place), place=place) == plain


def test_two_seals_of_the_same_thing_differ_and_show_nothing_of_it() -> None:
    one, two = (Seal(KEY).seal(b"correct horse battery") for _ in range(2))
    assert one != two
    assert b"horse" not in one


@pytest.mark.parametrize("at", [0, 1, 13, 20, -1])
def test_a_changed_byte_breaks_the_seal(at: int) -> None:
    sealed = bytearray(Seal(KEY).seal(b"secret"))
    sealed[at] ^= 1
    with pytest.raises(SealError):
        Seal(KEY).open(bytes(sealed))


@pytest.mark.parametrize("length", [0, 1, 12, 13, 20])
def test_a_cut_seal_does_not_open(length: int) -> None:
    with pytest.raises(SealError):
        Seal(KEY).open(Seal(KEY).seal(b"secret")[:length])


def test_another_key_or_another_place_does_not_open_it() -> None:
    sealed = Seal(KEY).seal(b"secret", place=b"fernet_key:1")
    with pytest.raises(SealError, match="another site key"):
        Seal(bytes(32)).open(sealed, place=b"fernet_key:1")
    with pytest.raises(SealError):
        Seal(KEY).open(sealed, place=b"fernet_key:2")


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(SealError, match="32 bytes"):
        Seal(b"short")


def test_the_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    sealed = Seal.from_file(path).seal(b"secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Seal.from_file(path).open(sealed) == b"secret"
    assert os.listdir(tmp_path) == ["site.key"]


def test_many_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    with ThreadPoolExecutor(8) as pool:
        seals = list(pool.map(Seal.from_file, [path] * 32))
    assert {seals[0].open(seal.seal(b"one")) for seal in seals} == {b"one"}


def test_a_key_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    create_key(path)
    before = path.read_bytes()
    create_key(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["site.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_file_that_others_reach_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "site.key"
    Seal.from_file(path)
    path.chmod(mode)
    with pytest.raises(SealError, match=f"chmod 600 {path}"):
        Seal.from_file(path)


@pytest.mark.parametrize("content", [b"", b"00", b"zz" * 32, b"\xff" * 64, b"00" * 40])
def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "site.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SealError, match="no key"):
        Seal.from_file(path)
    assert path.read_bytes() == content


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(SealError, match="No such file or directory"):
        Seal.from_file(tmp_path / "nowhere" / "site.key")
