"""The image corpus: each format good, truncated, lying, reaching for other files, too large, several at once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.engines.blobs import Read
from pileus.engines.disk_formats import BadImage, Found, check, check_use, formats_of
from support.imagery import BAD, GOOD, SIZE, TRUNCATED, WHOLE_SIZE, over, qcow2, raw

MOST = 1 << 34


def reader(data: bytes) -> Read:
    return lambda offset, count: data[offset : offset + count]


def looked_at(declared: str, data: bytes, container: str = "bare") -> Found:
    return check(reader(data), len(data), declared=declared, container=container, most_virtual_bytes=MOST)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_one_is_what_it_says(name: str) -> None:
    declared, make = GOOD[name]
    data = make()
    assert looked_at(declared, data) == Found(declared, len(data) if declared in WHOLE_SIZE else SIZE)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_one_is_refused_with_its_cause(name: str) -> None:
    declared, make, why = BAD[name]
    with pytest.raises(BadImage, match=why):
        looked_at(declared, make())


@pytest.mark.parametrize("name", TRUNCATED)
def test_one_that_ends_too_early_is_refused(name: str) -> None:
    declared, make, _ = TRUNCATED[name]
    with pytest.raises(BadImage):
        looked_at(declared, make())


def test_a_container_is_kept_unseen_and_not_used() -> None:
    data = b"a tar of something"
    assert looked_at("vmdk", data, "ova") == Found("vmdk", None)
    with pytest.raises(BadImage, match="container"):
        check_use(reader(data), len(data), declared="vmdk", container="ova", most_virtual_bytes=MOST)
    found = check_use(reader(raw()), SIZE, declared="raw", container="bare", most_virtual_bytes=MOST)
    assert found == Found("raw", SIZE)


def test_a_disk_larger_than_allowed_is_refused() -> None:
    with pytest.raises(BadImage, match="allowed"):
        check(reader(raw()), SIZE, declared="raw", most_virtual_bytes=SIZE - 1)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.integers(0, 700), st.binary(min_size=1, max_size=16))
def test_whatever_is_changed_it_is_refused_or_fine_and_nothing_else(name: str, at: int, new: bytes) -> None:
    declared, make = GOOD[name]
    try:
        found = looked_at(declared, over(make(), at, new))
    except BadImage:
        return
    assert found.virtual_size is not None
    assert 0 <= found.virtual_size <= MOST


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000), st.sampled_from(sorted({declared for declared, _ in GOOD.values()})))
def test_noise_is_raw_or_refused(data: bytes, declared: str) -> None:
    try:
        looked_at(declared, data)
    except BadImage:
        return
    assert not set(formats_of(reader(data), len(data))) - {"luks", declared}


def test_a_read_that_comes_short_is_refused() -> None:
    data = qcow2()
    with pytest.raises(BadImage, match="cannot be read"):
        check(reader(data[:200]), len(data), declared="qcow2", most_virtual_bytes=MOST)


@pytest.mark.parametrize(
    ("declared", "options"),
    [
        ("qcow2", ["-O", "qcow2"]),
        ("qcow2", ["-O", "qcow2", "-o", "compat=0.10"]),
        ("qcow2", ["-O", "qcow2", "-c"]),
        ("qcow2", ["-O", "qcow2", "-o", "cluster_size=2M,extended_l2=on"]),
        ("qcow2", ["-O", "qcow2", "-o", "cluster_size=512"]),
        ("vmdk", ["-O", "vmdk"]),
        ("vmdk", ["-O", "vmdk", "-o", "subformat=streamOptimized"]),
        ("vdi", ["-O", "vdi"]),
        ("vdi", ["-O", "vdi", "-o", "static=on"]),
        ("vhd", ["-O", "vpc", "-o", "force_size=on"]),
        ("vhd", ["-O", "vpc", "-o", "subformat=fixed,force_size=on"]),
        ("vhdx", ["-O", "vhdx"]),
        ("ploop", ["-O", "parallels"]),
    ],
    ids=str,
)
@pytest.mark.real
def test_what_qemu_makes_is_good(tmp_path: Path, declared: str, options: list[str]) -> None:
    source, made = tmp_path / "raw", tmp_path / "made"
    source.write_bytes(bytes(range(256)) * 4096 * 3 + bytes(5 << 20))
    subprocess.run(["qemu-img", "convert", "-f", "raw", *options, str(source), str(made)], check=True)
    data = made.read_bytes()
    assert looked_at(declared, data).virtual_size == source.stat().st_size
