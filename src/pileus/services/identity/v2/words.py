"""Identity v2.0 in the words of v3, and back. Pure."""

from __future__ import annotations

from typing import Any

from pileus.kernel.errors import WHO, Unauthorized
from pileus.kernel.http import Body, converted
from pileus.services.identity.auth.service import Auth
from pileus.services.identity.faults import expecting
from pileus.services.identity.projects.service import DEFAULT, Project


class PasswordCredentials(Body, frozen=True):
    password: str
    username: str | None = None
    userId: str | None = None


class TokenRef(Body, frozen=True):
    id: str


class Login(Body, frozen=True):
    passwordCredentials: PasswordCredentials | None = None
    token: TokenRef | None = None
    tenantName: str | None = None
    tenantId: str | None = None


def as_v3(login: Login) -> Auth:
    """The same login, said to v3. Raises BadRequest when nothing proves who it is."""
    domain = {"id": DEFAULT}
    if login.token is not None:
        identity: dict[str, Any] = {"methods": ["token"], "token": {"id": login.token.id}}
    elif login.passwordCredentials is not None:
        sent = login.passwordCredentials
        who = {"id": sent.userId} if sent.userId else {"name": sent.username, "domain": domain}
        identity = {"methods": ["password"], "password": {"user": {**who, "password": sent.password}}}
    else:
        raise expecting("passwordCredentials", "auth")
    said: dict[str, Any] = {"identity": identity}
    if login.tenantName:
        said["scope"] = {"project": {"name": login.tenantName, "domain": domain}}
    elif login.tenantId:
        said["scope"] = {"project": {"id": login.tenantId}}
    return converted(said, Auth, "auth")


def check_default_domain(token: dict[str, Any]) -> None:
    """Raises Unauthorized for a token of v3 (as it is shown) that v2.0 has no words for."""
    domains = [each["domain"]["id"] for each in (token["user"], token.get("project", token["user"]))]
    if "domain" in token or "system" in token or set(domains) != {DEFAULT}:
        raise Unauthorized(WHO)


def access(token: dict[str, Any], catalog: list[dict[str, Any]], text: str, project: Project | None) -> dict[str, Any]:
    """A token of v3 (as it is shown) as v2.0 shows it. `project`: of its scope."""
    roles = token.get("roles", [])
    shown = {
        "id": text,
        "expires": seconds(token["expires_at"]),
        "issued_at": token["issued_at"].removesuffix("Z"),
        "audit_ids": token["audit_ids"],
    }
    user = token["user"]
    return {
        "token": shown if project is None else {**shown, "tenant": tenant(project)},
        "serviceCatalog": [entry(each) for each in catalog],
        "user": {
            "id": user["id"],
            "name": user["name"],
            "username": user["name"],
            "roles": [{"name": role["name"]} for role in roles],
            "roles_links": [],
        },
        "metadata": {"is_admin": 0, "roles": [role["id"] for role in roles]},
    }


def seconds(moment: str) -> str:
    """The moment without its fraction."""
    return f"{moment.partition('.')[0]}Z"


def tenant(project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "enabled": project.enabled,
    }


def entry(service: dict[str, Any]) -> dict[str, Any]:
    """A service of the catalogue: its endpoints region by region, each with the addresses of all interfaces."""
    regions: dict[str | None, dict[str, Any]] = {}
    for each in service["endpoints"]:
        one = regions.setdefault(each["region_id"], {"id": each["id"], "region": each["region_id"]})
        one[f"{each['interface']}URL"] = each["url"]
    return {
        "type": service["type"],
        "name": service["name"],
        "endpoints": list(regions.values()),
        "endpoints_links": [],
    }
