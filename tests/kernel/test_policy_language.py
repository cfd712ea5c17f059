"""The language of rules: what it reads, how it prints, and where it says a rule is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.kernel.policy.language import (
    Always,
    And,
    Field,
    Match,
    Node,
    Not,
    Or,
    PolicySyntaxError,
    Reference,
    Role,
    every,
    parse,
    parse_template,
)

ROLES = ("reader", "member", "admin")
CREDENTIALS = ("user_id", "project_id", "domain_id", "system_scope", "service_roles", "token.domain.id", "trust.ids")
ATTRIBUTES = ("project_id", "user_id", "target.user.domain_id", "network:project_id", "visibility")
VALUES = ("a", "b", "all", "None", "True")


def template(text: str):
    return parse_template(text)


templates = st.one_of(
    st.sampled_from(VALUES),
    st.sampled_from(ATTRIBUTES).map("%({})s".format),
    st.tuples(st.sampled_from(VALUES), st.sampled_from(ATTRIBUTES)).map(lambda pair: f"{pair[0]}-%({pair[1]})s%%"),
).map(template)


def checks(names: tuple[str, ...] = (), *, ours: bool = True) -> st.SearchStrategy[Node]:
    """Single checks, which refer to the rules of these names; `ours`: also where we differ from oslo.policy."""
    wanted = templates if ours else templates.filter(lambda template: template.text != "None")
    literals = st.sampled_from([None, True, "a", 7])
    kinds = [
        st.builds(Always, st.booleans()),
        st.builds(Role, st.one_of(st.sampled_from(ROLES).map(template), templates)),
        st.builds(Match, st.sampled_from(CREDENTIALS), wanted),
        st.builds(lambda literal, wanted: Match(repr(literal), wanted, str(literal)), literals, templates),
    ]
    if ours:
        patterns = st.sampled_from(["a", "True", "~^a", "~b$"])
        kinds.append(st.builds(Field, st.just("ports"), st.sampled_from(ATTRIBUTES), patterns))
    return st.one_of(*kinds, *([st.builds(Reference, st.sampled_from(names))] if names else []))


def nodes(names: tuple[str, ...] = (), *, ours: bool = True) -> st.SearchStrategy[Node]:
    """Whole rules."""
    many = st.integers(2, 3)
    return st.recursive(
        checks(names, ours=ours),
        lambda inner: st.one_of(
            st.builds(Not, inner),
            many.flatmap(lambda n: st.tuples(*[inner] * n)).map(And),
            many.flatmap(lambda n: st.tuples(*[inner] * n)).map(Or),
        ),
        max_leaves=8,
    )


@given(nodes(("x", "y")))
def test_what_is_printed_reads_back_as_the_same(node):
    assert parse(str(node)) == node


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", "@"),
        ("@", "@"),
        ("!", "!"),
        ("role:admin", "role:admin"),
        ("  role:a   AND\tnot role:b Or role:c ", "role:a and not role:b or role:c"),
        ("role:a or role:b and role:c", "role:a or role:b and role:c"),
        ("(role:a or role:b) and role:c", "(role:a or role:b) and role:c"),
        ("((role:a))", "role:a"),
        ("not (role:a and role:b)", "not (role:a and role:b)"),
        ("not not role:a", "not not role:a"),
        ("(project_id:%(project_id)s)", "project_id:%(project_id)s"),
        ("rule:os_compute_api:servers:create", "rule:os_compute_api:servers:create"),
        ("'manager':%(target.role.name)s", "'manager':%(target.role.name)s"),
        ("field:networks:router:external=True", "field:networks:router:external=True"),
    ],
)
def test_text_is_read(text, printed):
    assert str(parse(text)) == printed


def test_and_binds_closer_than_or_and_not_closest():
    a, b, c = (Role(template(name)) for name in "abc")
    assert parse("role:a or role:b and not role:c") == Or((a, And((b, Not(c)))))


@pytest.mark.parametrize(
    ("lists", "printed"),
    [
        ([], "@"),
        ([[]], "!"),
        (["role:a"], "role:a"),
        (["role:a", ["role:b", "project_id:%(project_id)s"], []], "role:a or role:b and project_id:%(project_id)s"),
        ([["role:a", "role:b"]], "role:a and role:b"),
    ],
)
def test_the_older_form_of_lists_is_read(lists, printed):
    assert str(parse(lists)) == printed


@pytest.mark.parametrize(
    ("text", "offset", "said"),
    [
        (" ", 1, "a check is missing at the end"),
        ("role:a or", 9, "a check is missing at the end"),
        ("role:a and or role:b", 11, "a check is missing before 'or'"),
        ("()", 1, "a check is missing before ')'"),
        ("role:a role:b", 7, "'role:b' is not expected here"),
        ("role:a)", 6, "')' is not expected here"),
        ("role:a or (role:b", 10, "this bracket is never closed"),
        ("role:a or admin", 10, "'admin' is no check"),
        ("role:", 0, "'role:' is no check"),
        (":a", 0, "':a' is no check"),
        ("role:a or http://x/y", 10, "not supported"),
        ("https://x/y", 0, "not supported"),
        ("user_id:%(user_id)d", 8, "per cent"),
        ("user_id:50%", 10, "per cent"),
        ("'a b':%(x)s", 0, "is no check"),
        ("'a:%(x)s", 0, "neither a credential nor a literal"),
        ("{[]}:%(x)s", 0, "neither a credential nor a literal"),
        ("field:ports:a", 6, "should read field:resource:attribute=value"),
        ("field:ports=a", 6, "should read field:resource:attribute=value"),
        ("field:ports:a=~(", 6, "no regular expression"),
        ("(" * 60 + "role:a" + ")" * 60, 50, "nested too deeply"),
        ("not " * 60 + "role:a", 200, "nested too deeply"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_place(text, offset, said):
    with pytest.raises(PolicySyntaxError) as refused:
        parse(text)
    assert said in refused.value.message
    assert refused.value.offset == offset


@pytest.mark.parametrize("rule", [None, True, 3, {"a": "b"}, [3], [["role:a", []]], [{}]])
def test_what_is_neither_text_nor_lists_is_refused(rule):
    with pytest.raises(PolicySyntaxError):
        parse(rule)


def test_every_part_is_visited():
    assert [str(node) for node in every(parse("not (role:a and @)"))] == [
        "not (role:a and @)",
        "role:a and @",
        "role:a",
        "@",
    ]
