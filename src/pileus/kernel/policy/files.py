"""Operators' policy files: a mapping of rules in YAML or JSON, laid over the defaults.

A name in the file means the rule of that name in every service that has one; `compute/context_is_admin`, or a mapping under
the key `compute`, means that service's only. A name no service has is a new rule, which others may refer to.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pileus.kernel.policy.compiled import CREDENTIALS
from pileus.kernel.policy.language import Attribute, Match, Node, PolicySyntaxError, Reference, Role, every, parse


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a policy file. Line and column count from 1. A fatal one keeps the file from being used."""

    line: int
    column: int
    rule: str
    message: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {f'{self.rule}: ' if self.rule else ''}{self.message}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule of the file: the names it goes by in the cloud, its tree, and where it stands."""

    name: str
    names: tuple[str, ...]
    node: Node
    line: int
    column: int


class PolicyError(ValueError):
    """A policy cannot be used. The message names each cause, with its place in the file."""


class Names:
    """Which rules there are. `service/rule` is a rule of one service; a bare name belongs to no service."""

    def __init__(self, names: Iterable[str]) -> None:
        self.all = set(names)
        self.services = {name.partition("/")[0] for name in self.all if "/" in name}
        self._homes: dict[str, list[str]] = {}
        for name in sorted(self.all):
            self._homes.setdefault(name.partition("/")[2] or name, []).append(name)

    def meant(self, name: str) -> tuple[str, ...]:
        """The rules a name of a file stands for. A new one becomes a rule of each service, for it refers to theirs."""
        if name in self.all or "/" in name:
            return (name,)
        return tuple(self._homes.get(name) or [name, *(f"{service}/{name}" for service in sorted(self.services))])

    def found(self, home: str, name: str) -> str | None:
        """The rule that `rule:name` means in the rule `home`: one of its service, one of no service, or `default`."""
        service, bare = service_of(home), home.partition("/")[2] or home
        candidates = (f"{service}/{name}", name, f"{service}/default", "default")
        for candidate in candidates[:2] if bare == "default" else candidates:
            if candidate in self.all:
                return candidate
        return None

    def alike(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._homes, 1)
        return f"; did you mean {near[0]}?" if near else ""


def service_of(name: str) -> str:
    service, slash, _ = name.partition("/")
    return service if slash else ""


def read_file(path: Path, names: Names) -> tuple[list[Entry], list[Problem]]:
    """The rules of a file and what is wrong with their form."""
    try:
        root = yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as e:
        return [], [Problem(1, 1, "", f"the file cannot be read: {e}")]
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        return [], [Problem(line, column, "", f"this is neither YAML nor JSON: {getattr(e, 'problem', e)}")]
    if root is None:
        return [], []
    if not isinstance(root, yaml.MappingNode):
        return [], [Problem(1, 1, "", "the file must be a mapping of rules: `name: check`")]
    read = _Reading(names)
    read.mapping(root, "")
    return read.entries, read.problems


class _Reading:
    def __init__(self, names: Names) -> None:
        self._names = names
        self._seen: dict[str, int] = {}
        self.entries: list[Entry] = []
        self.problems: list[Problem] = []

    def mapping(self, root: yaml.MappingNode, service: str) -> None:
        for key, value in root.value:
            line, column = _place(key)
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(Problem(line, column, "", "the name of a rule must be text"))
            elif isinstance(value, yaml.MappingNode) and not service and key.value in self._names.services:
                self.mapping(value, key.value)
            else:
                self._rule(key, value, f"{service}/{key.value}" if service else key.value)

    def _rule(self, key: yaml.ScalarNode, value: yaml.Node, name: str) -> None:
        line, column = _place(key)
        if name in self._seen:
            self.problems.append(Problem(line, column, name, f"is given twice, first in line {self._seen[name]}"))
            return
        self._seen[name] = line
        try:
            node = parse(_plain(value))
        except PolicySyntaxError as e:
            self.problems.append(Problem(*_inside(value, e.offset), name, e.message))
            return
        self.entries.append(Entry(name, self._names.meant(name), node, *_place(value)))


def _plain(value: yaml.Node, depth: int = 0) -> Any:
    """Text, or lists two deep. An alias may make a list a member of itself."""
    if isinstance(value, yaml.ScalarNode) and (value.style or value.tag == "tag:yaml.org,2002:str"):
        return value.value
    if isinstance(value, yaml.SequenceNode) and depth < 2:
        return [_plain(member, depth + 1) for member in value.value]
    shown = value.value if isinstance(value, yaml.ScalarNode) and value.value else "nothing"
    raise PolicySyntaxError(f"a rule is text or a list of lists, not {shown}; write '@' to allow everybody")


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _inside(value: yaml.Node, offset: int) -> tuple[int, int]:
    """Where a character of a rule stands: exact for a rule written in one line without escapes."""
    line, column = _place(value)
    if not isinstance(value, yaml.ScalarNode) or value.start_mark.line != value.end_mark.line:
        return line, column
    return line, column + offset + (1 if value.style in {"'", '"'} else 0)


def cycles(rules: Mapping[str, Node], names: Names) -> list[list[str]]:
    """Rules that refer to themselves, each as the way round."""
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            found.append([*path[path.index(name) :], name])
        elif name not in done:
            for reference in references(rules[name]):
                target = names.found(name, reference)
                if target is not None:
                    visit(target, [*path, name])
            done.add(name)

    for name in sorted(rules):
        visit(name, [])
    return found


def references(node: Node) -> list[str]:
    return [part.name for part in every(node) if isinstance(part, Reference)]


def attributes(node: Node) -> Iterator[str]:
    """The attributes of the target that a rule looks at."""
    for part in every(node):
        template = part.wanted if isinstance(part, Match) else part.name if isinstance(part, Role) else None
        if template is not None:
            yield from (place.name for place in template.parts if isinstance(place, Attribute))


def doubts(entries: list[Entry], defaults: Mapping[str, Node], names: Names) -> Iterator[Problem]:
    """What a file may say but hardly means: rules, credentials and attributes that nothing knows."""
    referred = {reference for entry in entries for reference in references(entry.node)}
    offered: dict[str, set[str]] = {}
    for name, node in defaults.items():
        offered.setdefault(service_of(name), set()).update(attributes(node))
    for entry in entries:
        for message in _doubts_of(entry, defaults, names, referred, offered):
            yield Problem(entry.line, entry.column, entry.name, message, fatal=False)


def _doubts_of(
    entry: Entry, defaults: Mapping[str, Node], names: Names, referred: set[str], offered: Mapping[str, set[str]]
) -> Iterator[str]:
    unknown = not any(name in defaults for name in entry.names)
    if unknown and entry.name != "default" and entry.name not in referred:
        yield f"no service asks for this rule, and no rule refers to it{Names(defaults).alike(entry.name)}"
    for reference in references(entry.node):
        if not any(
            candidate in names.all
            for name in entry.names
            for candidate in (f"{service_of(name)}/{reference}", reference)
        ):
            yield f"refers to the unknown rule {reference}{names.alike(reference)}"
    for part in every(entry.node):
        if isinstance(part, Match) and part.literal is None and part.kind not in CREDENTIALS:
            yield f"{part.kind} is no credential that every token has"
    if not unknown:
        known = set().union(*(offered.get(service_of(name), set()) for name in entry.names))
        for attribute in sorted(set(attributes(entry.node)) - known):
            yield f"no default rule here looks at the attribute {attribute} of the target: it may be absent"
