"""What holds of projects, domains and their tags, whatever else there is. The messages are Keystone's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pileus.kernel.errors import BadRequest, Forbidden, NotFound
from pileus.services.identity.projects.store import Project

MAX_TAGS = 80


def kept_tags(tags: Iterable[str]) -> list[str]:
    """The tags as they are kept: without spaces around, in order. Raises BadRequest."""
    kept = sorted(tag.strip() for tag in tags)
    if "" in kept:
        raise BadRequest("Invalid input for tags: a tag of spaces is none.")
    if len(set(kept)) < len(kept):
        raise BadRequest("Invalid input for tags: each may be there once.")
    if len(kept) > MAX_TAGS:
        raise BadRequest(f"Invalid input for tags: a project has at most {MAX_TAGS}.")
    return kept


def kind(project: Project) -> str:
    return "domain" if project.is_domain else "project"


def immutable(project: Project, verb: str) -> Forbidden:
    way_out = 'Set resource option "immutable" to false first.'
    return Forbidden(f"Unable to {verb} immutable {kind(project)} resource: {project.id}. {way_out}")


def check_tag(project: Project, tag: str) -> None:
    """Raises NotFound when the project has no such tag."""
    if tag not in project.tags:
        raise NotFound(f"Could not find project tag: {tag}.")


def check_place(project: Project, found: Mapping[str, Project]) -> None:
    """Raises BadRequest unless domain and parent of a new project are among the `found` ones, and fit each other."""
    domain = found.get(project.domain_id or "")
    parent = found.get(project.parent_id or "")
    if domain is None or not domain.is_domain:
        raise BadRequest(f"Could not find domain: {project.domain_id}.")
    if parent is None:
        raise BadRequest(f"Could not find project: {project.parent_id}.")
    if parent.is_domain and parent.id != domain.id:
        raise BadRequest(
            f"Cannot create project, the parent ({parent.id}) is acting as a domain, but this project's domain id "
            f"({domain.id}) does not match the parent's id."
        )
    if not parent.is_domain and parent.domain_id != domain.id:
        raise BadRequest(
            f"Cannot create project, since it specifies its domain_id {domain.id}, but specifies a parent in a "
            f"different domain ({parent.domain_id})."
        )


def check_change(project: Project, wanted: Mapping[str, Any]) -> None:
    """Raises Forbidden, BadRequest for what never changes."""
    if wanted.get("domain_id", project.domain_id) != project.domain_id:
        raise BadRequest("Cannot change Domain ID")
    if project.options.get("immutable") and not _frees(wanted):
        raise immutable(project, "update")
    if wanted.get("parent_id", project.parent_id) != project.parent_id:
        raise Forbidden("Update of `parent_id` is not allowed.")
    if wanted.get("is_domain", project.is_domain) != project.is_domain:
        raise BadRequest("Update of `is_domain` is not allowed.")


def _frees(wanted: Mapping[str, Any]) -> bool:
    """Whether this makes it changeable, and nothing else."""
    return wanted.keys() == {"options"} and not wanted["options"].get("immutable", True)


def check_deletable(project: Project) -> None:
    """Raises Forbidden for what is immutable, and for a domain that is enabled."""
    if project.options.get("immutable"):
        raise immutable(project, "delete")
    if project.is_domain and project.enabled:
        raise Forbidden("Cannot delete a domain that is enabled, please disable it first.")
