"""The language of policy rules, as oslo.policy defines it: text in, tree out, and back.

    rule   = "" | or                                    the empty rule allows everybody, like "@"
    or     = and { "or" and }
    and    = not { "and" not }
    not    = "not" not | "(" or ")" | check
    check  = "@" | "!" | KIND ":" MATCH                 no blank inside

A KIND is `rule`, `role`, `field` (Networking's: an attribute of the target equals a value or matches a regular expression),
a literal (`None`, `True`, `'text'`, a number), or else the dotted path of a credential. A MATCH may hold `%(attribute)s`.

Stricter than oslo.policy in one thing: what it would log and then deny for ever is an error here, with its position.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

DEEPEST = 50
_TOKEN = re.compile(r"\S+")
_PATH = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*")
_PLACE = re.compile(r"%(?:(%)|\(([^()]+)\)s|)")
_OPERATORS = {"and", "or", "not"}


class PolicySyntaxError(ValueError):
    """A rule cannot be read. `offset` counts characters from the beginning of its text."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Attribute:
    """`%(name)s`: an attribute of the target; dots lead into nested ones."""

    name: str


@dataclass(frozen=True, slots=True)
class Template:
    """What stands behind the colon: text with attributes of the target in it."""

    text: str
    parts: tuple[str | Attribute, ...]

    @property
    def attributes(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.parts if isinstance(part, Attribute))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Always:
    """`@` and `!`."""

    value: bool

    def __str__(self) -> str:
        return "@" if self.value else "!"


@dataclass(frozen=True, slots=True)
class Role:
    """`role:x`: the caller has the role, in whatever case it is written."""

    name: Template

    def __str__(self) -> str:
        return f"role:{self.name}"


@dataclass(frozen=True, slots=True)
class Reference:
    """`rule:x`: what the rule x says."""

    name: str

    def __str__(self) -> str:
        return f"rule:{self.name}"


@dataclass(frozen=True, slots=True)
class Field:
    """`field:networks:shared=True`, `field:port:device_owner=~^network:`: what an attribute of the target is."""

    resource: str
    name: str
    value: str

    @property
    def pattern(self) -> str | None:
        """The regular expression its beginning must match; None when `value` must be equal."""
        return self.value[1:] if self.value.startswith("~") else None

    def __str__(self) -> str:
        return f"field:{self.resource}:{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class Match:
    """`kind:match`: a credential of the caller, or a literal, is the same text as the match."""

    kind: str
    wanted: Template
    literal: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.wanted}"


@dataclass(frozen=True, slots=True)
class Not:
    part: Node

    def __str__(self) -> str:
        return f"not {bracketed(self.part, And, Or)}"


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " and ".join(bracketed(part, And, Or) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " or ".join(bracketed(part, Or) for part in self.parts)


Node: TypeAlias = Always | Role | Reference | Field | Match | Not | And | Or


def bracketed(node: Node, *kinds: type) -> str:
    return f"({node})" if isinstance(node, kinds) else str(node)


def parts(node: Node) -> tuple[Node, ...]:
    """What the node is made of; nothing for a single check."""
    if isinstance(node, Not):
        return (node.part,)
    return node.parts if isinstance(node, (And, Or)) else ()


def every(node: Node) -> Iterator[Node]:
    """The node and all it is made of."""
    yield node
    for part in parts(node):
        yield from every(part)


def parse(rule: Any) -> Node:
    """The tree of a rule: text, or the older list of lists (outer: or, inner: and). Raises PolicySyntaxError."""
    if isinstance(rule, str):
        return _parse_text(rule)
    if isinstance(rule, list):
        return _parse_lists(rule)
    raise PolicySyntaxError(
        f"a rule is text or a list of lists, not {rule!r}; write @ to allow everybody, ! to allow nobody"
    )


@lru_cache(maxsize=4096)
def _parse_text(text: str) -> Node:
    """Many rules read alike, and nobody changes a tree."""
    return _Parser(text).whole() if text else Always(True)


def parse_check(text: str, offset: int = 0) -> Node:
    """The tree of a single `kind:match`, `@` or `!`. Raises PolicySyntaxError."""
    if text in {"@", "!"}:
        return Always(text == "@")
    kind, colon, match = text.partition(":")
    if not (kind and colon and match):
        raise PolicySyntaxError(f"{text!r} is no check: it should read kind:match", offset)
    behind = offset + len(kind) + 1
    if kind in {"http", "https"}:
        raise PolicySyntaxError(f"{text!r}: rules that ask another server are not supported", offset)
    if kind == "rule":
        return Reference(match)
    if kind == "role":
        return Role(parse_template(match, behind))
    if kind == "field":
        return _parse_field(match, behind)
    return Match(kind, parse_template(match, behind), _literal(kind, offset))


def parse_template(text: str, offset: int = 0) -> Template:
    """Text with `%(attribute)s` in it; `%%` is a per cent sign. Raises PolicySyntaxError."""
    found: list[str | Attribute] = []
    end = 0
    for place in _PLACE.finditer(text):
        per_cent, attribute = place.groups()
        if not (per_cent or attribute):
            raise PolicySyntaxError(
                f"a per cent sign in {text!r} begins neither %(attribute)s nor %%", offset + place.start()
            )
        found += [text[end : place.start()], per_cent or Attribute(attribute)]
        end = place.end()
    found.append(text[end:])
    return Template(text, tuple(part for part in found if part))


def _parse_lists(rule: list[Any]) -> Node:
    if not rule:
        return Always(True)
    ways: list[Node] = []
    for inner in rule:
        checks = [inner] if isinstance(inner, str) else inner
        if not (isinstance(checks, list) and all(isinstance(check, str) for check in checks)):
            raise PolicySyntaxError(f"{inner!r} is neither a check nor a list of checks")
        if checks and inner:  # an empty inner list is no way in
            ways.append(_joined(And, [parse_check(check) for check in checks]))
    return _joined(Or, ways) if ways else Always(False)


def _parse_field(text: str, offset: int) -> Field:
    resource, _, rest = text.partition(":")
    name, equals, value = rest.partition("=")
    if not (resource and name and equals):
        raise PolicySyntaxError(f"field:{text} should read field:resource:attribute=value", offset)
    field = Field(resource, name, value)
    try:
        re.compile(field.pattern or "")
    except re.error as e:
        raise PolicySyntaxError(f"{field.pattern!r} is no regular expression: {e}", offset) from e
    return field


def _literal(kind: str, offset: int) -> str | None:
    """The text of a literal; None when the kind is the path of a credential."""
    if _PATH.fullmatch(kind) and kind not in {"None", "True", "False"}:
        return None
    try:
        return str(ast.literal_eval(kind))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as e:
        cause = f"{kind!r} is neither a credential nor a literal (a literal holds no blank and no colon)"
        raise PolicySyntaxError(cause, offset) from e


def _joined(kind: type[And] | type[Or], nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else kind(tuple(nodes))


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Words and brackets with their offsets. Brackets count at the ends of a word only: `%(x)s` keeps its own."""
    for word in _TOKEN.finditer(text):
        bare = word.group().lstrip("(")
        start = word.end() - len(bare)
        yield from (("(", at) for at in range(word.start(), start))
        inner = bare.rstrip(")")
        if inner:
            yield inner, start
        yield from ((")", at) for at in range(start + len(inner), word.end()))


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text), ("", len(text))]
        self._at = self._depth = 0

    def whole(self) -> Node:
        node = self._or()
        token, offset = self._tokens[self._at]
        if token:
            raise PolicySyntaxError(
                f"{token!r} is not expected here: and, or, or the end of the rule is missing", offset
            )
        return node

    def _takes(self, word: str) -> bool:
        taken = self._tokens[self._at][0].lower() == word
        self._at += taken
        return taken

    def _or(self) -> Node:
        nodes = [self._and()]
        while self._takes("or"):
            nodes.append(self._and())
        return _joined(Or, nodes)

    def _and(self) -> Node:
        nodes = [self._not()]
        while self._takes("and"):
            nodes.append(self._not())
        return _joined(And, nodes)

    def _not(self) -> Node:
        offset = self._tokens[self._at][1]
        self._depth += 1
        if self._depth > DEEPEST:
            raise PolicySyntaxError("the rule is nested too deeply", offset)
        try:
            if self._takes("not"):
                return Not(self._not())
            return self._inside(offset) if self._takes("(") else self._check()
        finally:
            self._depth -= 1

    def _inside(self, opened: int) -> Node:
        node = self._or()
        if not self._takes(")"):
            raise PolicySyntaxError("this bracket is never closed", opened)
        return node

    def _check(self) -> Node:
        word, offset = self._tokens[self._at]
        if not word or word == ")" or word.lower() in _OPERATORS:
            raise PolicySyntaxError(f"a check is missing {f'before {word!r}' if word else 'at the end'}", offset)
        self._at += 1
        return parse_check(word, offset)
