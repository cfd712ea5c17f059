"""The configuration file: typed, every option documented, an unknown key is an error, secrets in files of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pileus.kernel.config import Config, ConfigError, database_url, listen_url, load, options, value_of
from pileus.kernel.config_limits import address


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "pileus.toml"
        path.write_text(text)
        return path

    return write


def test_without_a_file_everything_is_default() -> None:
    assert load(None) == (Config(), {})


def test_values_come_from_the_file_and_the_command_line_wins(write) -> None:
    path = write('state = "/srv/a"\n[api]\nlisten = "[::1]:80"\nregion = "North"\n')
    config, origins = load(path, {"api.listen": ":81", "state": "/srv/b"})
    assert (config.state, config.api.listen, config.api.region) == ("/srv/b", ":81", "North")
    assert origins == {"state": "command line", "api.listen": "command line", "api.region": str(path)}


def test_the_command_line_may_open_a_section() -> None:
    config, origins = load(None, {"log.level": "debug"})
    assert config.log.level == "debug"
    assert origins == {"log.level": "command line"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[api]\nlisen = "x"\n', "unknown option api.lisen; did you mean api.listen?"),
        ("zzz = 1\n", "unknown option zzz"),
        ("api = 3\n", "unknown option api"),
        ("[frobnicate]\n", "frobnicate"),
        ("[operations]\nlease_s = -1\n", "`float` > 0.0 - at `$.operations.lease_s`"),
        ("[operations]\nlease_s = true\n", "$.operations.lease_s"),
        ('[log]\nformat = "xml"\n', "$.log.format"),
        ("[api\n", "pileus.toml"),
        ('[api]\nlisten = "nowhere"\n', "api.listen: 'nowhere' is not HOST:PORT"),
        ('[api]\ntls_key = "/k"\n', "go together"),
        ('[http]\ntrusted_proxies = ["10.0.0.1/8"]\n', "http.trusted_proxies: 10.0.0.1/8 has host bits set"),
        ("[identity]\npassword_regex = '('\n", "identity.password_regex is no regular expression"),
        (
            "[identity]\npassword_expires_days = 2\nminimum_password_age_days = 2\n",
            "minimum_password_age_days must be less",
        ),
        ('[network]\nexternal_addresses = ["172.24.4.x"]\n', "network.external_addresses: '172.24.4.x'"),
        ('[network]\ntunnel = "eth1"\n', "network.tunnel is DEVICE=ADDRESS/LENGTH, not 'eth1'"),
        ('[network]\ntunnel = "eth1=there"\n', "network.tunnel: 'there'"),
        ('[database]\nurl = "postgresql://u:hunter2@h/n"\n', "database.url holds a password"),
        ('[database]\nlisten_url = "postgresql://u:hunter2@h/n"\n', "database.listen_url holds a password"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(write, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(write(text))
    assert complaint in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: .*No such file"):
        load(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xff\n")
    with pytest.raises(ConfigError, match=r"latin\.toml"):
        load(tmp_path / "latin.toml")


def test_a_wrong_value_on_the_command_line_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"command line: .*log\.level"):
        load(None, {"log.level": "loud"})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("127.0.0.1:9999", ("127.0.0.1", 9999)),
        ("[::1]:0", ("::1", 0)),
        (":80", ("0.0.0.0", 80)),
        ("cloud.example:443", ("cloud.example", 443)),
    ],
)
def test_an_address_is_host_and_port(text: str, parts: tuple[str, int]) -> None:
    assert address(text) == parts


@pytest.mark.parametrize(
    "text", ["", "9999", "::1:80", "host:", "host:65536", "host:-1", "host:٣", "[host]:80", "host:8 0"]
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        address(text)


def test_the_default_database_is_a_file_of_the_state() -> None:
    config, _ = load(None, {"state": "/srv/cloud"})
    assert database_url(config) == listen_url(config) == "sqlite:////srv/cloud/pileus.sqlite"


def test_the_password_of_the_database_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a/b@c\n")
    given = {"database.url": "postgresql://cloud@db:6432/pileus", "database.password_file": str(tmp_path / "password")}
    config, _ = load(None, given)
    assert database_url(config) == listen_url(config) == "postgresql://cloud:a%2Fb%40c@db:6432/pileus"
    config, _ = load(None, {**given, "database.listen_url": "postgresql://cloud@db:5432/pileus"})
    assert listen_url(config) == "postgresql://cloud:a%2Fb%40c@db:5432/pileus"


def test_a_password_needs_a_file_that_can_be_read_and_a_user(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x")
    config, _ = load(None, {"database.url": "postgresql://u@h/n", "database.password_file": str(tmp_path / "gone")})
    with pytest.raises(ConfigError, match=r"password_file: .*gone"):
        database_url(config)
    config, _ = load(None, {"database.url": "postgresql://h/n", "database.password_file": str(tmp_path / "password")})
    with pytest.raises(ConfigError, match="names no user"):
        database_url(config)


def test_every_option_has_a_meaning_and_its_default_is_its_value() -> None:
    known = list(options())
    assert {"state", "api.listen", "log.format"} <= {name for name, _, _ in known}
    assert [name for name, _, doc in known if not doc.rstrip(".")] == []
    assert [name for name, default, _ in known if value_of(Config(), name) != default] == []


UNITS = {"_s": "second", "_bytes": "bytes", "_days": "days", "_mib": "MiB", "_gib": "GiB"}
"""What the name of a number ends in, and what its meaning says then."""
COUNTED = {
    "http.header_count": "headers",
    "http.connections": "connections",
    "http.rate_burst": "Requests",
    "database.pool_size": "Connections",
    "operations.concurrency": "Operations",
    "operations.per_host": "Operations",
    "identity.bcrypt_rounds": "2^n rounds",
    "identity.fernet_keys": "keys",
    "identity.list_limit": "items",
    "identity.max_redelegations": "How often",
    "identity.tokens_kept": "tokens",
    "identity.lockout_failure_attempts": "passwords",
    "identity.disable_user_account_days_inactive": "days",
    "identity.unique_last_password_count": "passwords",
    "identity.totp_previous_windows": "passcodes",
    "placement.candidates": "candidates",
    "network.physical_mtu": "bytes",
    "network.mtu": "bytes",
    "compute.cpu_allocation_ratio": "vCPUs",
    "compute.ram_allocation_ratio": "memory",
    "compute.disk_allocation_ratio": "disk",
    "compute.reserved_host_cpus": "vCPUs",
}
"""Of other numbers: in what their meaning says that they are."""


def test_every_number_says_in_what_it_is() -> None:
    numbers = {name: doc for name, default, doc in options() if type(default) in {int, float}}
    unit = {name: word for name in numbers for end, word in UNITS.items() if name.endswith(end)}
    assert numbers.keys() == {*unit, *COUNTED}
    assert [name for name, word in {**unit, **COUNTED}.items() if word not in numbers[name]] == []


def test_the_default_port_is_none_of_the_classic_ones() -> None:
    assert address(Config().api.listen)[1] not in {5000, 8080, 8774, 8775, 8776, 8778, 9292, 9696}
