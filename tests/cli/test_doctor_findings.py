"""What `pileus doctor` makes of each fact: nothing of it needs a machine on which it is so."""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from pileus.cli import doctor, doctor_database, doctor_files, doctor_guests, doctor_machine
from pileus.cli.doctor_database import ON, Facts
from pileus.cli.doctor_files import Given
from pileus.cli.finding import Finding
from pileus.cli.orders import User
from pileus.kernel import tls
from pileus.kernel.config import Api, Config, DatabaseOptions, Network
from pileus.kernel.http.server import BACKLOG
from pileus.kernel.migrate import Schema, State

WELL = Facts(160_004, 0.1, 97, False, Schema(State.CURRENT, "0002", "0002"))
TIME_ERROR = 5  # not synchronised
NOBODY = User("nobody", 65534, 65534)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
GOOD_CPU = {"svm", "npt", *doctor_machine.LEVEL_2}


def wrong(findings: Iterable[Finding]) -> list[tuple[str, str, bool]]:
    """What is wrong, what mends it, and whether it keeps the cloud from working."""
    found = [f for f in findings if f.why]
    assert all(f.mend for f in found)
    return [(f.about, f.mend, f.serious) for f in found]


@pytest.mark.parametrize(
    ("change", "about", "mend", "serious"),
    [
        ({"version": 130_010}, "database", "apt-get install postgresql-16, then pg_upgradecluster", True),
        (
            {"standby": True},
            "database",
            "name the primary by database.url; or promote this one: SELECT pg_promote()",
            True,
        ),
        ({"skew_s": -6.0}, "database clock", "timedatectl set-ntp true, on both machines", False),
        (
            {"connections": 21},
            "database connections",
            "ALTER SYSTEM SET max_connections = 110, and restart PostgreSQL; or lower database.pool_size",
            False,
        ),
        *[
            ({"off": (name,)}, f"database {name}", f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf()", False)
            for name in ON
        ],
        ({"schema": Schema(State.EMPTY, "", "2")}, "database schema", "pileus db upgrade", False),
        ({"schema": Schema(State.OLDER, "1", "2")}, "database schema", "pileus db upgrade", False),
        ({"schema": Schema(State.NEWER, "3", "2")}, "database schema", "install that release here, too", False),
        (
            {"schema": Schema(State.FOREIGN, "", "2")},
            "database schema",
            "createdb pileus, and name it by database.url",
            True,
        ),
    ],
    ids=["version", "standby", "clock", "connections", *ON, "empty", "older", "newer", "foreign"],
)
def test_a_database(change: dict[str, object], about: str, mend: str, serious: bool) -> None:
    assert wrong(doctor_database.said_of(WELL, 10)) == []
    facts = Facts(**{**{name: getattr(WELL, name) for name in WELL.__dataclass_fields__}, **change})
    assert wrong(doctor_database.said_of(facts, 10)) == [(about, mend, serious)]


def test_a_password_that_cannot_be_read(tmp_path: Path) -> None:
    options = DatabaseOptions(url="postgresql://u@localhost/n", password_file=str(tmp_path / "none"))
    config = Config(state=str(tmp_path), database=options)
    [(about, _, serious)] = wrong(doctor_database.database(config))
    assert (about, serious) == ("database", True)


@pytest.mark.parametrize(
    ("flags", "about", "mend"),
    [
        (GOOD_CPU - {"svm", "npt"}, "cpu", "turn on VT-x or AMD-V in the firmware"),
        (GOOD_CPU - {"npt"}, "cpu", "modprobe -r kvm_amd; modprobe kvm_amd npt=1"),
        (GOOD_CPU - {"svm", "npt"} | {"vmx"}, "cpu", "modprobe -r kvm_intel; modprobe kvm_intel ept=1"),
        (GOOD_CPU - {"sse4_2"}, "cpu level", "in a virtual machine, give it its host's CPU"),
    ],
    ids=["no virtualisation", "no nested pages", "no extended pages", "old"],
)
def test_a_cpu(flags: set[str], about: str, mend: str) -> None:
    assert wrong(doctor_machine.said_of_cpu(GOOD_CPU)) == []
    [(seen, says, serious)] = wrong(doctor_machine.said_of_cpu(flags))
    assert (seen, says.startswith(mend), serious) == (about, True, False)


def test_a_clock() -> None:
    synchronised, unsynchronised = 0x2001, 0x2041  # as the kernel says it, with other bits
    good = doctor.said_of_clock(0.0, synchronised)
    assert (good.seen, wrong([good])) == ("1970-01-01T00:00:00Z", [])
    bad = doctor.said_of_clock(0.0, unsynchronised)
    assert bad.seen == "1970-01-01T00:00:00Z, not synchronised"
    assert wrong([bad]) == [("clock", "timedatectl set-ntp true (or apt-get install chrony)", False)]


def test_a_clock_is_asked_of_the_kernel() -> None:
    """Which says the same by what adjtimex(2) returns."""
    [found] = doctor.clock(Config(state="/nonexistent"))
    returned = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(256))
    assert bool(found.why) == (returned == TIME_ERROR)


def test_a_disk() -> None:
    place = Path("/var/lib/my cloud")
    assert wrong([doctor.said_of_space(place, 2 << 30), doctor.said_of_fsync(0.05)]) == []
    full, slow = doctor.said_of_space(place, (2 << 30) - 1), doctor.said_of_fsync(0.051)
    assert (full.seen, slow.seen) == ("2.0 GiB free at /var/lib/my cloud", "51.0 ms")
    assert wrong([full]) == [("disk space", "df -h '/var/lib/my cloud'; remove what is not needed", True)]
    assert wrong([slow]) == [("disk fsync", "put the state on another disk: pileus up --state DIR", False)]


def test_what_guests_run_on() -> None:
    """Nothing of it is serious: simulated guests need none of it."""
    assert wrong([doctor_guests.said_of_kvm(there=True, boots=True)]) == []
    missing, broken = doctor_guests.said_of_kvm(False, False), doctor_guests.said_of_kvm(True, False)
    assert (missing.seen, broken.seen) == (
        "/dev/kvm is not there",
        "/dev/kvm is there, but no guest boots on it",
    )
    [(_, mend, serious)] = wrong([missing])
    assert (mend.startswith("modprobe kvm_intel or kvm_amd"), serious) == (True, False)
    [(_, mend, serious)] = wrong([broken])
    assert ("qemu-system-x86_64 -accel kvm" in mend, serious) == (True, False)


def test_qemu_and_libvirt() -> None:
    assert wrong([doctor_guests.said_of_qemu([], "QEMU emulator version 7.2.22")]) == []
    assert wrong([doctor_guests.said_of_libvirt([], "9.0.0", "libvirt-qemu", "")]) == []
    for found, seen in (
        (doctor_guests.said_of_qemu(["libvirtd", "virsh"], ""), "not here: libvirtd, virsh"),
        (doctor_guests.said_of_libvirt(["pycdlib"], "9.0.0", "libvirt-qemu", ""), "no Python module pycdlib"),
        (doctor_guests.said_of_libvirt([], "9.0.0", "", "There is no user for QEMU."), "There is no user for QEMU."),
    ):
        assert found.seen == seen
        assert wrong([found]) == [(found.about, "script/setup --real", False)]


@pytest.mark.parametrize(
    ("name", "value"), [("net.core.somaxconn", 128), ("fs.nr_open", 1024), ("net.ipv4.ip_forward", 0)]
)
def test_a_sysctl(name: str, value: int) -> None:
    good: dict[str, int | None] = {"net.core.somaxconn": BACKLOG, "fs.nr_open": 20_000, "net.ipv4.ip_forward": 1}
    assert wrong(doctor_machine.said_of_sysctls(good, files=20_000, forwards=True)) == []
    [(_, mend, serious)] = wrong(doctor_machine.said_of_sysctls({**good, name: value}, files=20_000, forwards=True))
    assert (mend.startswith(f"sysctl -w {name}="), serious) == (True, False)


def test_sysctls_that_need_not_be() -> None:
    idle: dict[str, int | None] = {"net.core.somaxconn": None, "fs.nr_open": None, "net.ipv4.ip_forward": 0}
    assert wrong(doctor_machine.said_of_sysctls(idle, files=20_000, forwards=False)) == []


def test_an_mtu() -> None:
    network = Network(mtu=1442)
    assert wrong([doctor_machine.said_of_mtu("eth1", 1500, network)]) == []
    [(_, mend, _)] = wrong([doctor_machine.said_of_mtu("eth1", 1450, network)])
    assert mend == "ip link set eth1 mtu 1500, on each host; or network.mtu = 1392"
    [(_, mend, _)] = wrong([doctor_machine.said_of_mtu("eth1", None, network)])
    assert mend == "ip link show; name the right one by network.tunnel"


def test_a_device_that_is_looked_at() -> None:
    config = Config(state="/nonexistent", network=Network(tunnel="lo=192.0.2.1/24"))
    assert [finding.about for finding in doctor_machine.mtu(config)] == ["mtu"]
    assert list(doctor_machine.mtu(Config(state="/nonexistent"))) == []


def test_switches() -> None:
    assert wrong([doctor_machine.said_of_switches([], rival=False)]) == []
    [(_, mend, _)] = wrong([doctor_machine.said_of_switches(["ovn-northd"], rival=False)])
    assert mend == "script/setup --real"
    [(_, mend, _)] = wrong([doctor_machine.said_of_switches([], rival=True)])
    assert mend.startswith("systemctl stop openvswitch-switch")


@pytest.mark.parametrize(
    ("since", "until", "serious"), [(-90, 29, False), (-90, 0, True), (1, 300, True)], ids=["soon", "ended", "early"]
)
def test_when_a_certificate_ends(since: int, until: int, serious: bool) -> None:
    def said(since: int, until: int) -> list[Finding]:
        first, last = (NOW + timedelta(days=days) for days in (since, until))
        return [doctor_files.said_of_certificate("server.pem", first, last, NOW, "renew it")]

    assert wrong(said(-90, 275)) == []
    [(_, mend, is_serious)] = wrong(said(since, until))
    assert (mend in {"renew it", "timedatectl set-ntp true"}, is_serious) == (True, serious)


def test_certificates_of_a_state(tmp_path: Path) -> None:
    ca = tls.ensure_ca(tmp_path / "ca")
    tls.ensure_server(ca, tmp_path / "ca", ["127.0.0.1"], days=20)
    (tmp_path / "host.pem").write_text("none")
    found = wrong(doctor_files.certificates(Config(state=str(tmp_path))))
    assert [(mend.partition(":")[0], serious) for _, mend, serious in found] == [
        ("start the API again", False),
        ("pileus host token NAME on the control machine; here once", True),
    ]


def test_a_key_that_is_of_another_certificate(tmp_path: Path) -> None:
    ca = tls.ensure_ca(tmp_path / "ca")
    certificate, _ = tls.ensure_server(ca, tmp_path / "ca", ["127.0.0.1"])
    config = Config(state=str(tmp_path), api=Api(tls_certificate=str(certificate), tls_key=str(tmp_path / "ca/ca.key")))
    [(_, mend, serious)] = wrong(doctor_files.certificates(config))
    assert (mend.startswith("openssl x509"), serious) == (True, True)


def test_who_can_read_what(tmp_path: Path) -> None:
    me = User("me", os.geteuid(), os.getegid())
    key = Given("site_key_file", tmp_path / "site.key")

    def said(user: User) -> list[tuple[str, str, bool]]:
        return wrong([doctor_files.said_of_file(key, user)])

    assert said(me) == [("site_key_file", "pileus config show | grep site_key_file", True)]
    key.path.touch(mode=0o600)
    assert said(me) == []
    key.path.chmod(0o640)
    assert said(me) == [("site_key_file", f"chmod 600 {key.path}", False)]


def test_a_file_that_its_reader_may_not_read() -> None:
    with tempfile.TemporaryDirectory() as path:
        home = Path(path)
        home.chmod(0o711)
        (home / "key").touch(mode=0o600)
        given = Given("api.tls_key", home / "key")
        [(_, mend, serious)] = wrong([doctor_files.said_of_file(given, NOBODY)])
        assert (mend, serious) == (f"chown 65534:65534 {home}/key", True)
        home.chmod(0o700)
        [(_, mend, serious)] = wrong([doctor_files.said_of_file(given, NOBODY)])
        assert (mend, serious) == (f"chmod o+x {home}", True)


def test_only_files_that_options_name_are_looked_at(tmp_path: Path) -> None:
    config = Config(state=str(tmp_path))
    assert list(doctor_files.permissions(config)) == []
    named = msgspec.structs.replace(config, site_key_file=str(tmp_path / "none"))
    assert [finding.about for finding in doctor_files.permissions(named)] == ["site_key_file"]
