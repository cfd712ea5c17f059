"""A cloud of OpenStack's own services on this machine, in one folder, gone at the end of the block."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.peer import infra
from bench.peer.infra import SECRET, said
from bench.peer.sides import Side, await_port, free_port, running
from conformance.installed import Failure, foreign

NAME = "OpenStack"
PASSWORD = "only for figures"  # the administrator's, and every service's
REGION = "RegionOne"
# As DevStack's, but for the Apache that stands before it there: one step less, in the peer's favour.
UWSGI = """\
[uwsgi]
module = {module}
http-socket = 127.0.0.1:{port}
processes = 2
master = true
die-on-term = true
enable-threads = true
thunder-lock = true
buffer-size = 65535
lazy-apps = true
disable-logging = true
add-header = Connection: close
{more}
"""
CREDENTIALS = """\
auth_url = {url}
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = {name}
password = {password}
region_name = {region}
"""
AUTHTOKEN = """\
[keystone_authtoken]
www_authenticate_uri = {url}
memcached_servers = 127.0.0.1:{memcached}
service_token_roles_required = true
"""
KEYSTONE = """\
[DEFAULT]
log_file = {home}/keystone.log
[database]
connection = {database}
[token]
provider = fernet
[fernet_tokens]
key_repository = {home}/fernet
[credential]
key_repository = {home}/credential
[cache]
enabled = true
backend = dogpile.cache.pymemcache
memcache_servers = 127.0.0.1:{memcached}
"""


@dataclass
class OpenStack:
    """What runs so far. `stack` ends it, newest first."""

    home: Path
    venv: Path
    stack: contextlib.ExitStack
    mariadb: int = 0
    memcached: int = 0
    rabbitmq: int = 0
    keystone: str = ""  # the URL of its Identity, with /v3
    pids: list[int] = field(default_factory=list)
    token: str = ""
    columns: dict[str, list[str]] = field(default_factory=dict)  # of a table of the database
    wanted: tuple[str, ...] = ()  # the services that run at the end
    urls: dict[str, str] = field(default_factory=dict)

    def room(self, name: str) -> Path:
        """A folder of a service."""
        folder = self.home / name
        folder.mkdir(exist_ok=True)
        return folder

    def database(self, name: str) -> str:
        """The URL of a database of this name, which is made."""
        self.sql(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3")
        return f"mysql+pymysql://bench:{SECRET}@127.0.0.1:{self.mariadb}/{name}?charset=utf8"

    def sql(self, statements: str) -> str:
        """What MariaDB says to them, as lines of columns. Raises Failure."""
        client = ("mariadb", "--no-defaults", f"--socket={self.home}/mariadb.sock", "--user=root", "-N", "-B")
        return said(self.home / "sql.log", *client, told=statements)

    def queue(self) -> str:
        return f"rabbit://guest:guest@127.0.0.1:{self.rabbitmq}/"

    def credentials(self, name: str) -> str:
        """The lines by which a service logs in."""
        return CREDENTIALS.format(url=self.keystone, name=name, password=PASSWORD, region=REGION)

    def authtoken(self, name: str) -> str:
        """The section by which a service checks tokens."""
        return AUTHTOKEN.format(url=self.keystone, memcached=self.memcached) + self.credentials(name)

    def manage(self, name: str, program: str, *words: object, environment: Mapping[str, str] | None = None) -> None:
        """Run a service's own tool to its end. Raises Failure."""
        said(self.home / f"{name}-manage.log", self.venv / "bin" / program, *words, environment=environment)

    def serve(self, name: str, module: str, more: str = "", environment: Mapping[str, str] | None = None) -> str:
        """Answer by uWSGI; the URL."""
        port = self.urls.get(name, "").rpartition(":")[2] or str(free_port())
        ini = self.home / f"{name}-uwsgi.ini"
        ini.write_text(UWSGI.format(module=module, port=port, more=more))
        self.run(name, "uwsgi", "--ini", ini, environment=environment, port=int(port))
        return f"http://127.0.0.1:{port}"

    def run(
        self, name: str, program: str, *words: object, environment: Mapping[str, str] | None = None, port: int = 0
    ) -> None:
        """A program of the virtual environment, until the end."""
        log = self.home / f"{name}.out"
        command = (self.venv / "bin" / program, *words)
        process = self.stack.enter_context(running(log, *command, environment={**foreign(), **(environment or {})}))
        self.pids.append(process.pid)
        if port:
            await_port(port, process, log)

    def copied(self, name: str, *files: str) -> None:
        """Files that a package brings for /etc, into the service's room."""
        for file in files:
            shutil.copy(self.venv / "etc" / name / file, self.room(name))

    def address(self, name: str) -> str:
        """Where a service will answer: a port is taken for it."""
        return self.urls.setdefault(name, f"http://127.0.0.1:{free_port()}")

    def register(self, name: str, kind: str, url: str) -> None:
        """A user for the service, who may what services may, and its place in the catalogue."""
        user = self.ask("POST", "/users", {"user": {"name": name, "password": PASSWORD, "domain_id": "default"}})
        project = self.ask("GET", "/projects?name=service")["projects"][0]["id"]
        for role in self.ask("GET", "/roles")["roles"]:
            if role["name"] in ("admin", "service"):
                self.ask("PUT", f"/projects/{project}/users/{user['user']['id']}/roles/{role['id']}")
        service = self.ask("POST", "/services", {"service": {"name": name, "type": kind}})["service"]["id"]
        for interface in ("public", "internal", "admin"):
            endpoint = {"service_id": service, "interface": interface, "url": url, "region_id": REGION}
            self.ask("POST", "/endpoints", {"endpoint": endpoint})

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Of Identity, as its administrator. Raises Failure."""
        return answered(method, self.keystone + path, body, self.token)

    def side(self, name: str = NAME) -> Side:
        return Side(name, self.keystone, PASSWORD, tuple(self.pids))


def login(url: str) -> str:
    """The administrator's token in a project. Raises Failure."""
    default = {"id": "default"}
    user = {"name": "admin", "domain": default, "password": PASSWORD}
    scope = {"project": {"name": "admin", "domain": default}}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
    answer, _ = asked("POST", f"{url}/auth/tokens", {"auth": auth})
    return answer.headers["X-Subject-Token"]


def answered(method: str, url: str, body: Any = None, token: str = "") -> Any:
    """The document of an answer. Raises Failure when it is not one of success."""
    _, raw = asked(method, url, body, token)
    return json.loads(raw) if raw else None


def asked(method: str, url: str, body: Any = None, token: str = "") -> tuple[http.client.HTTPResponse, bytes]:
    """An answer and its body. Raises Failure when it is not one of success."""
    _, _, place = url.partition("//")
    host, _, path = place.partition("/")
    connection = http.client.HTTPConnection(host, timeout=120)
    headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
    try:
        connection.request(method, f"/{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        raw = answer.read()
    finally:
        connection.close()
    if answer.status >= 300:
        raise Failure(f"{method} {url}: {answer.status} {raw[:500]!r}")
    return answer, raw


@contextlib.contextmanager
def started(home: Path, wanted: Sequence[str] = (), *, queue: bool = False) -> Iterator[OpenStack]:
    """Keystone with an administrator, on MariaDB and memcached; with RabbitMQ beside them if wanted. Raises Failure."""
    venv = infra.equipped()
    home.mkdir()
    with contextlib.ExitStack() as stack:
        cloud = OpenStack(home, venv, stack, wanted=tuple(wanted))
        cloud.mariadb, database = stack.enter_context(infra.mariadb(home))
        cloud.memcached, cache = stack.enter_context(infra.memcached(home))
        cloud.pids += [database, cache]
        if queue:
            cloud.rabbitmq, pids = stack.enter_context(infra.rabbitmq(home))
            cloud.pids += pids
        keystone(cloud)
        yield cloud


def keystone(cloud: OpenStack) -> None:
    """Schema, keys, administrator, catalogue, a project of the services; then it runs."""
    home, options = cloud.room("keystone"), cloud.room("keystone") / "keystone.conf"
    options.write_text(KEYSTONE.format(home=home, database=cloud.database("keystone"), memcached=cloud.memcached))
    cloud.keystone = f"{cloud.address('keystone')}/v3"
    manage = ("keystone", "keystone-manage", "--config-file", options)
    cloud.manage(*manage, "db_sync")
    owner = (f"--keystone-user={os.geteuid()}", f"--keystone-group={os.getegid()}")
    for keys in ("fernet_setup", "credential_setup"):
        cloud.manage(*manage, keys, *owner)
    urls = [f"--bootstrap-{kind}-url={cloud.keystone}" for kind in ("public", "internal", "admin")]
    cloud.manage(*manage, "bootstrap", f"--bootstrap-password={PASSWORD}", f"--bootstrap-region-id={REGION}", *urls)
    where = {"OS_KEYSTONE_CONFIG_FILES": str(options), "OS_KEYSTONE_CONFIG_DIR": str(home)}
    cloud.serve("keystone", "keystone.wsgi.api:application", environment=where)
    cloud.token = login(cloud.keystone)
    cloud.ask("POST", "/projects", {"project": {"name": "service", "domain_id": "default"}})
