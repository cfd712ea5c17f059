"""One typed TOML file: every option with its default, unit and meaning; an unknown key is an error.

Secrets are never values here but paths of files. `origins` says where each value came from, for `pileus config show`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import quote

import msgspec
from msgspec import Meta

from pileus.kernel.config_limits import check


def option(doc: str, **limits: Any) -> Meta:
    """The documentation of an option, and its limits (`ge`, `le`, `min_length`, `pattern`)."""
    return Meta(description=doc, **limits)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class Api(Section, frozen=True):
    listen: Annotated[str, option("Address and port of the API, HOST:PORT; port 0 takes a free one.")] = (
        "127.0.0.1:9999"
    )
    public_url: Annotated[str, option("What clients reach it by, without a path; empty: made from `listen`.")] = ""
    classic_ports: Annotated[bool, option("Listen also on the ports OpenStack users know (5000, 8774, ...).")] = False
    tls: Annotated[bool, option("Serve HTTPS; without the two files, with a certificate of the cloud's own CA.")] = (
        False
    )
    tls_certificate: Annotated[str, option("Path of a PEM certificate chain.")] = ""
    tls_key: Annotated[str, option("Path of its PEM key.")] = ""
    region: Annotated[str, option("Name of the region in the catalogue.", min_length=1)] = "RegionOne"
    cors_origins: Annotated[tuple[str, ...], option("Origins whose scripts may call the API; `*` for all.")] = ()


class Http(Section, frozen=True):
    header_bytes: Annotated[int, option("Largest header block, bytes.", ge=1024)] = 65_536
    header_count: Annotated[int, option("Most headers of a request.", ge=16)] = 256
    url_bytes: Annotated[int, option("Longest request target, bytes.", ge=256)] = 16_384
    body_bytes: Annotated[int, option("Largest body that is not a stream, bytes.", ge=1024)] = 1_048_576
    header_timeout_s: Annotated[float, option("Most time to send a request's head, seconds.", gt=0)] = 10.0
    body_timeout_s: Annotated[float, option("Most time between two pieces of a body, seconds.", gt=0)] = 30.0
    idle_timeout_s: Annotated[float, option("A connection without a request is closed after this, seconds.", gt=0)] = (
        75.0
    )
    connections: Annotated[int, option("Most connections at once; further ones wait in the backlog.", ge=16)] = 20_000
    trusted_proxies: Annotated[
        tuple[str, ...], option("Addresses or networks of proxies in front, whose X-Forwarded-For is believed.")
    ] = ()
    rate_per_s: Annotated[
        float, option("Requests a second that each API process answers a project; 0 for no limit.", ge=0)
    ] = 0.0
    rate_burst: Annotated[int, option("Requests a project may send at once before the rate applies.", ge=1)] = 100


class DatabaseOptions(Section, frozen=True):
    url: Annotated[
        str, option("sqlite:///PATH or postgresql://USER@HOST/NAME; empty: SQLite in the state directory.")
    ] = ""
    password_file: Annotated[str, option("Path of a file that holds the password of the URL's user.")] = ""
    listen_url: Annotated[str, option("Where LISTEN goes, if a pooler stands before `url`; empty: the same.")] = ""
    pool_size: Annotated[int, option("Connections a process keeps, half of them to write (PostgreSQL).", ge=2)] = 10
    read_deadline_s: Annotated[float, option("Most time for one read, seconds.", gt=0)] = 5.0


class Operations(Section, frozen=True):
    lease_s: Annotated[float, option("A worker that is silent this long loses its operations, seconds.", gt=0)] = 30.0
    poll_s: Annotated[float, option("How often a worker looks without being called, seconds.", gt=0)] = 1.0
    concurrency: Annotated[int, option("Operations one worker runs at once.", ge=1)] = 64
    per_host: Annotated[int, option("Operations one worker runs at once against one host.", ge=1)] = 8
    retention_s: Annotated[
        float, option("Ended operations, their log and audit are kept this long, seconds.", gt=0)
    ] = 7_776_000
    retry_parked_s: Annotated[
        float, option("What is parked tries again by itself after so long, each time, seconds.", gt=0)
    ] = 900.0
    host_lease_s: Annotated[float, option("A host that is silent this long counts as down, seconds.", gt=0)] = 30.0


class Agents(Section, frozen=True):
    listen: Annotated[
        str, option("Where the agents of hosts post, HOST:PORT; empty: nowhere, all hosts are local.")
    ] = ""


class Identity(Section, frozen=True):
    token_ttl_s: Annotated[int, option("How long a token is valid, seconds.", ge=60)] = 86_400
    bcrypt_rounds: Annotated[int, option("Cost of a password hash: 2^n rounds.", ge=4, le=20)] = 12
    fernet_keys: Annotated[int, option("Most token keys at once: staged, primary, and some that wear out.", ge=3)] = 3
    fernet_rotate_s: Annotated[
        int,
        option(
            "The token keys are rotated this often, seconds; later, if one would be lost that still has valid tokens; "
            "0: by `pileus keys rotate` only.",
            ge=0,
        ),
    ] = 86_400
    list_limit: Annotated[
        int, option("Most items of one page of a list; what is left follows by `links.next`.", ge=1)
    ] = 1000
    allow_expired_window_s: Annotated[
        int, option("How long a service may go on with a token of its user's that has expired, seconds.", ge=0)
    ] = 172_800
    receipt_ttl_s: Annotated[int, option("How long one may take to prove the rest, seconds.", ge=1)] = 300
    max_redelegations: Annotated[int, option("How often a trust may be passed on, one from the other.", ge=0)] = 3
    ec2_ttl_s: Annotated[int, option("How old a signature of an EC2 request may be, seconds.", ge=1)] = 900
    return_all_endpoints_if_no_filter: Annotated[
        bool, option("Show all endpoints to projects that are given none by OS-EP-FILTER; else none.")
    ] = True
    tokens_kept: Annotated[int, option("Validated tokens a process remembers, about 2 KiB each.", ge=1)] = 10_000
    lockout_failure_attempts: Annotated[int, option("Wrong passwords in a row that lock a user; 0: none do.", ge=0)] = 0
    lockout_duration_s: Annotated[
        int, option("How long a user stays locked, seconds; 0: until an administrator says `enabled` again.", ge=0)
    ] = 1800
    disable_user_account_days_inactive: Annotated[
        int, option("A user who has not logged in for so many days counts as disabled; 0: never.", ge=0)
    ] = 0
    password_expires_days: Annotated[int, option("How long a new password is good, days; 0: for ever.", ge=0)] = 0
    password_regex: Annotated[str, option("What a new password must match from its start; empty: nothing.")] = ""
    password_regex_description: Annotated[
        str, option("The same for people: what who chose another password is told.")
    ] = ""
    unique_last_password_count: Annotated[
        int, option("Which of the last passwords a user may not choose again, the present one counted.", ge=0, le=24)
    ] = 0
    minimum_password_age_days: Annotated[
        int, option("How long a user keeps a password that was chosen before choosing another, days.", ge=0)
    ] = 0
    change_password_upon_first_use: Annotated[
        bool, option("Who is given a password by an administrator must choose another before logging in.")
    ] = False
    enforcement_model: Annotated[
        str,
        option(
            "Whose limits count: `flat`, each project's own; `strict_two_level`, also those of all above it, for the tree.",
            pattern="^(flat|strict_two_level)$",
        ),
    ] = "flat"
    totp_previous_windows: Annotated[
        int, option("How many passcodes before the present one are good, for devices that are late.", ge=0, le=10)
    ] = 1
    oauth_request_ttl_s: Annotated[
        int, option("How long a user may authorize an OAuth consumer's request, seconds; 0 for ever.", ge=0)
    ] = 28_800
    oauth_access_ttl_s: Annotated[
        int, option("How long an OAuth consumer may use what a user has lent it, seconds; 0 for ever.", ge=0)
    ] = 86_400


class Placement(Section, frozen=True):
    candidates: Annotated[int, option("Most allocation candidates of one answer, whatever was asked for.", ge=1)] = (
        10_000
    )


class Image(Section, frozen=True):
    store: Annotated[
        str,
        option(
            "Directory of images, one for all control processes (a shared file system); empty: in the state directory."
        ),
    ] = ""
    size_cap_bytes: Annotated[int, option("Largest image, bytes.", ge=1)] = 1_099_511_627_776
    virtual_size_cap_gib: Annotated[int, option("Largest disk that an image may unpack to, GiB.", ge=1)] = 16_384
    download_networks: Annotated[
        tuple[str, ...],
        option("Networks inside, as CIDR, from which web-download may import all the same; else only from outside."),
    ] = ()
    download_ports: Annotated[tuple[int, ...], option("Ports that web-download may ask.")] = (80, 443)
    download_timeout_s: Annotated[float, option("Most time for one web-download, seconds.", gt=0)] = 3600.0


class Network(Section, frozen=True):
    controller: Annotated[
        str, option("Name of the host whose agent writes the overlay of this cloud; empty: the first host by name.")
    ] = ""
    physical_networks: Annotated[tuple[str, ...], option("Names of the networks outside that ports can be on.")] = (
        "public",
    )
    public_cidr: Annotated[
        str,
        option(
            "Addresses of the external network `public` that a new cloud has on the first of those; this machine has the"
            " first address. Empty: none."
        ),
    ] = "172.24.4.0/24"
    physical_mtu: Annotated[int, option("Largest packet of those, bytes.", ge=1280, le=65_535)] = 1500
    mtu: Annotated[int, option("Largest packet of a network that lives in tunnels, bytes.", ge=1280, le=65_535)] = 1442
    external_addresses: Annotated[
        tuple[str, ...],
        option("This machine's addresses in the first of the networks outside, with length; none: it has none there."),
    ] = ("172.24.4.1/24",)
    masquerade: Annotated[
        bool, option("What comes from that network and leaves the machine elsewhere carries the machine's address.")
    ] = False
    netns: Annotated[
        str, option("Network namespace for this machine's switch and guests, made when it is not there; empty: none.")
    ] = ""
    tunnel: Annotated[
        str, option("DEVICE=ADDRESS/LENGTH: a device of this machine for nothing but tunnels to other hosts.")
    ] = ""
    overlay_listen: Annotated[
        str, option("ADDRESS:PORT at which other hosts reach this machine's overlay; empty: there are none.")
    ] = ""
    dns_domain: Annotated[str, option("What follows the names of ports, as guests are told.", min_length=1)] = (
        "openstacklocal."
    )


class Compute(Section, frozen=True):
    cpu_allocation_ratio: Annotated[float, option("How many vCPUs a host promises for each that it has.", gt=0)] = 4.0
    ram_allocation_ratio: Annotated[float, option("How much memory a host promises for what it has.", gt=0)] = 1.0
    disk_allocation_ratio: Annotated[float, option("How much disk a host promises for what it has.", gt=0)] = 1.0
    reserved_host_cpus: Annotated[int, option("vCPUs that each host keeps for itself.", ge=0)] = 0
    reserved_host_memory_mib: Annotated[int, option("Memory that each host keeps for itself, MiB.", ge=0)] = 512
    reserved_host_disk_gib: Annotated[int, option("Disk that each host keeps for itself, GiB.", ge=0)] = 0
    default_availability_zone: Annotated[
        str, option("The zone of hosts that no aggregate gives one.", min_length=1, max_length=255, pattern="^[^:]+$")
    ] = "nova"


class Log(Section, frozen=True):
    format: Annotated[
        str, option("`text` for people, `json` for machines: one event a line.", pattern="^(text|json)$")
    ] = "text"
    level: Annotated[str, option("debug, info, warning or error.", pattern="^(debug|info|warning|error)$")] = "info"
    file: Annotated[str, option("Path of a log file; empty: standard error.")] = ""


class Policy(Section, frozen=True):
    file: Annotated[str, option("Path of a policy file (YAML or JSON, oslo.policy's language) over the defaults.")] = ""


class Metrics(Section, frozen=True):
    public: Annotated[
        bool, option("Answer GET /metrics to anybody; otherwise to this machine and to administrators.")
    ] = False


class Config(Section, frozen=True):
    """The whole file."""

    state: Annotated[str, option("Directory of keys, database and sockets; made with mode 0700.")] = ""
    site_key_file: Annotated[
        str, option("Path of the key that seals secrets in the database, one for the site; empty: made in the state.")
    ] = ""
    user: Annotated[
        str, option("Who the control process runs as when root starts it; a system user, made if there is none.")
    ] = "pileus"
    api: Api = Api()
    http: Http = Http()
    database: DatabaseOptions = DatabaseOptions()
    operations: Operations = Operations()
    agents: Agents = Agents()
    identity: Identity = Identity()
    placement: Placement = Placement()
    image: Image = Image()
    network: Network = Network()
    compute: Compute = Compute()
    log: Log = Log()
    policy: Policy = Policy()
    metrics: Metrics = Metrics()


class ConfigError(ValueError):
    """The file cannot be used; the message names file and key."""


def load(path: Path | None, overrides: Mapping[str, Any] | None = None) -> tuple[Config, dict[str, str]]:
    """The configuration, and where each value that is no default came from.

    `overrides` are dotted names from the command line (`{"api.listen": "0.0.0.0:80"}`). Raises ConfigError.
    """
    document = {} if path is None else document_of(path)
    origins = dict.fromkeys(flat(document), str(path))
    source = str(path or "command line")
    refuse_unknown(source, origins)
    for name, value in (overrides or {}).items():
        section, _, key = name.rpartition(".")
        (document.setdefault(section, {}) if section else document)[key] = value
        origins[name] = "command line"
    try:
        config = msgspec.convert(document, Config, strict=True)
    except msgspec.ValidationError as e:
        raise ConfigError(f"{source}: {e}") from e
    try:
        check(config)
    except ValueError as e:
        raise ConfigError(f"{source}: {e}") from e
    return config, origins


def document_of(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise ConfigError(f"{path}: {e}") from e


def refuse_unknown(source: str, names: Iterable[str]) -> None:
    """Raises ConfigError for a name that is no option, with the one that was probably meant."""
    known = [name for name, _, _ in options()]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ConfigError(f"{source}: unknown option {name}" + (f"; did you mean {near[0]}?" if near else ""))


def database_url(config: Config) -> str:
    """Where the database is: what `database.url` says with the password of its file, or SQLite in the state directory."""
    return with_password(config, config.database.url) or f"sqlite:///{Path(config.state) / 'pileus.sqlite'}"


def listen_url(config: Config) -> str:
    """Where LISTEN goes: past a pooler, if one stands before the database."""
    return with_password(config, config.database.listen_url) or database_url(config)


def with_password(config: Config, url: str) -> str:
    """The URL with the password from `database.password_file`, if one is set. Raises ConfigError."""
    if not (url and config.database.password_file):
        return url
    try:
        password = Path(config.database.password_file).read_text().strip()
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"database.password_file: {e}") from e
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    if not at:
        raise ConfigError("database.password_file is set, but the URL names no user: postgresql://USER@HOST/NAME")
    return f"{scheme}://{user}:{quote(password, safe='')}@{place}"


def flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted names of all values in a document."""
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def options() -> Iterator[tuple[str, Any, str]]:
    """Every option: dotted name, default, meaning."""
    for section_name, section_type in get_type_hints(Config, include_extras=True).items():
        if isinstance(section_type, type):
            for name, hint in get_type_hints(section_type, include_extras=True).items():
                yield f"{section_name}.{name}", getattr(section_type(), name), hint.__metadata__[0].description
        else:
            yield section_name, getattr(Config(), section_name), section_type.__metadata__[0].description


def value_of(config: Config, name: str) -> Any:
    """The value of an option by its dotted name."""
    return reduce(getattr, name.split("."), config)
