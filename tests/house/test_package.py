"""What is given away carries everything: sdist and wheel, built from what is in git."""

from __future__ import annotations

import glob
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import httpx
import pytest

import pileus
from cli.conftest import environment
from support.source import ROOT

PACKAGE = ROOT / "src/pileus"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
once = pytest.mark.xdist_group("package")


def in_git() -> set[str]:
    said = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in said.split("\0") if name and (ROOT / name).exists()}


def test_the_release_is_said_once() -> None:
    assert PROJECT["project"]["version"] == pileus.__version__


def test_every_file_of_the_package_is_in_the_wheel() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["pileus"]
    data = {name for pattern in patterns for name in glob.glob(pattern, root_dir=PACKAGE, recursive=True)}
    kept = {str(p.relative_to(PACKAGE)) for p in PACKAGE.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert {name for name in kept if not name.endswith(".py")} <= data


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run([ROOT / "script/package", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@once
def test_the_sdist_carries_what_is_in_git_and_its_wheel_all_of_the_package(made: Path) -> None:
    [sdist], [wheel] = made.glob("*.tar.gz"), made.glob("*.whl")
    with tarfile.open(sdist) as archive:
        carried = {name.partition("/")[2] for name in archive.getnames()}
    assert in_git() <= carried
    with zipfile.ZipFile(wheel) as archive:
        for name in in_git():
            if name.startswith("src/"):
                assert archive.read(name.removeprefix("src/")) == (ROOT / name).read_bytes()
        extra = {f"src/{name}" for name in archive.namelist() if name.startswith("pileus/")} - in_git()
    assert not extra


@once
def test_a_cloud_starts_from_the_wheel(made: Path, tmp_path: Path) -> None:
    """In an environment of its own, where the packages that it needs are, and nothing of this tree."""
    home, [wheel] = tmp_path / "venv", made.glob("*.whl")
    venv.create(home, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"))
    outside = environment(PYTHONPATH="", PATH="/usr/bin:/bin")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        home / "bin/python",
        "install",
        "--no-index",
        "--no-deps",
        wheel,
    ]
    subprocess.run(install, capture_output=True, check=True, env=outside, cwd=tmp_path)
    where = [home / "bin/python", "-c", "import pileus; print(pileus.__file__)"]
    said = subprocess.run(where, capture_output=True, text=True, check=True, env=outside, cwd=tmp_path).stdout
    assert said.startswith(str(packages))
    words = [home / "bin/pileus", "up", "--simulate", "--ephemeral", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=outside, cwd=tmp_path) as cloud:
        assert cloud.stdout is not None
        serves = re.search(r"http://\S+", cloud.stdout.readline())
        try:
            assert serves
            assert httpx.get(f"{serves[0]}/identity/v3").status_code == 200
        finally:
            cloud.terminate()
    assert cloud.returncode == 0
