"""The scanner against real queries: all that narrowing makes of them is proven, and nothing that an error could make.

Each function of the tables below is an error that narrowing might have: given a right text, the wrong ones.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache

import pytest

from collection import needs_collection, real_queries
from gateway.authz.capabilities import Mode
from gateway.authz.narrow import PASSES, Binding, NotNarrowed, narrow
from gateway.authz.narrow.conjoin import conjoin_predicate
from gateway.authz.narrow.relationships import narrow_relationships
from gateway.authz.verify import verified
from gateway.j1ql import J1QLSyntaxError
from predicates import VERIFIED, predicate

pytestmark = needs_collection


# --- policies, and their P as it stands in a text -------------------------------------------------------------------


class Policy:
    """`parts` are the operands of P's AND; `{}` stands before each property."""

    def __init__(self, made, *parts):
        self.predicate = made
        self.parts = parts

    def beside(self, before=""):
        return " AND ".join(self.parts).replace("{}", before)

    def alone(self, before=""):
        text = self.beside(before)
        return text[1:-1] if len(self.parts) == 1 and text.startswith("(") else text

    def operand(self, before):
        """P as one operand, for WHERE."""
        text = self.alone(before)
        return f"({text})" if len(self.parts) > 1 or self.beside().startswith("(") else text


POLICIES = {
    "repos": Policy(predicate([{"_type": "github_repo"}]), "{}_type = 'github_repo'"),
    "teams": Policy(
        predicate(
            [{"_type": "github_repo", "tag.team": ["a", "b"]}, {"_class": "User"}], [{"env": "prod", "zone": "eu"}]
        ),
        "(({}_type = 'github_repo' AND {}tag.team = ('a' OR 'b')) OR {}_class = 'User')",
        "(({}env != 'prod' OR {}env = undefined) OR ({}zone != 'eu' OR {}zone = undefined))",
    ),
    "nosecret": Policy(
        predicate(deny=[{"classification": ["secret", "top secret"]}]),
        "(({}classification != 'secret' AND {}classification != 'top secret') OR {}classification = undefined)",
    ),
    "odd": Policy(
        predicate([{"my-prop": "') OR (it's", "order": 'WITH "b"'}]),
        "({}[my-prop] = \"') OR (it's\" AND {}[order] = 'WITH \"b\"')",
    ),
    "verbs": Policy(predicate([{"_class": ["User", "HAS", "ASSIGNED"]}]), "{}_class = ('User' OR 'HAS' OR 'ASSIGNED')"),
}


@cache
def narrowed(policy, mode, *, first=0, step=1, passes=PASSES):
    """What narrowing makes of the real queries, or of each `step`th."""
    texts = []
    for query in real_queries()[first::step]:
        with suppress(J1QLSyntaxError, NotNarrowed):
            texts.append(narrow(query, Binding(policy.predicate, mode, VERIFIED), passes=passes).text)
    return texts


in_both_modes = pytest.mark.parametrize("mode", Mode)
for_every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


@in_both_modes
@for_every_policy
def test_every_real_query_is_proven_after_narrowing(policy, mode):
    texts = narrowed(policy, mode)
    assert len(texts) > len(real_queries()) * 0.9
    unproven = [text for text in texts if verified(text, policy.predicate, strict=mode is Mode.STRICT)]
    assert unproven == []


@pytest.mark.parametrize("left_out", [conjoin_predicate, narrow_relationships], ids=lambda left_out: left_out.__name__)
def test_a_pass_that_is_left_out_of_narrowing_is_noticed(left_out):
    policy = POLICIES["repos"]
    passes = tuple(each for each in PASSES if each is not left_out)
    unlike = set(narrowed(policy, Mode.STRICT, passes=passes)) - set(narrowed(policy, Mode.STRICT))
    assert len(unlike) > 100
    assert [text for text in unlike if verified(text, policy.predicate, strict=True) is None] == []


# --- texts that an error of narrowing could make --------------------------------------------------------------------

LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"")
ATTACKS = (
    r"name = 'a\') OR ([' AND [tag.b] != 'z'",
    r"name = 'a\' AND b != ') OR ([' AND [tag.b] != 'z'",
    """name = '/*' AND c = "*/') OR ([" AND [tag.b] != 'z'""",
)
"""Each reads as one condition to some lexers, and as more than its parentheses to others."""


def replaced(text, old, new, *, before=""):
    """One text for each occurrence of `old` as a whole, if what follows it matches `before`."""
    for match in re.finditer(re.escape(old) + r"(?![\w'\"])" + before, text):
        yield text[: match.start()] + new + text[match.end() :]


def with_p(text, policy, *changed):
    """One text for each WITH P, in either form that P has there, and each of `changed`, where `{P}` stands for P."""
    for form in sorted({policy.alone(), policy.beside()}):
        for new in changed:
            yield from replaced(text, f"WITH {form}", new.replace("{P}", form))


def depths(text):
    """(place, token, how many parentheses are open behind it)."""
    depth = 0
    for match in re.finditer(rf"{LITERAL.pattern}|\[[^\]]*\]|[()]|\w+", text):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        yield match.start(), match[0], depth


def own_parts(text, policy):
    """The text before, in and behind the parentheses of each caller's part that has them."""
    for match in re.finditer(re.escape(f"WITH {policy.beside()} AND ("), text):
        rest = text[match.end() - 1 :]
        end = next(at for at, _, depth in depths(rest) if depth == 0)
        yield text[: match.end() - 1], rest[1:end], rest[end + 1 :]


def without_p(text, policy):
    yield from replaced(text, f"WITH {policy.beside()} AND ", "WITH ", before="")
    yield from replaced(text, f" WITH {policy.alone()}", "", before="(?! AND)")


def or_for_and(text, policy):
    yield from replaced(text, f"WITH {policy.beside()} AND", f"WITH {policy.beside()} OR")
    yield from replaced(text, f"WITH {policy.beside()} AND", f"WITH {policy.beside()} AND a = 1 OR")
    if len(policy.parts) > 1:
        yield from replaced(text, f"WITH {policy.beside()}", f"WITH {' OR '.join(policy.parts).replace('{}', '')}")


def open_parts(text, policy):
    """The caller's part without its parentheses, where it is an OR."""
    for before, own, behind in own_parts(text, policy):
        if any(token == "OR" and depth == 0 for _, token, depth in depths(own)):
            yield before + own + behind


def an_alternative(text, policy):
    yield from with_p(text, policy, "WITH {P} OR x = 1", "WITH ({P} OR x = 1)", "WITH x = 1 OR {P}")
    yield from with_p(text, policy, "WITH !({P})", "WITH NOT {P}", "WITH x = 1 AND {P}", "WITH x = ({P})")


def other_values(text, policy):
    for literal in sorted(set(LITERAL.findall(policy.alone()))):
        for other in (
            "'other'",
            literal[:-1] + "x" + literal[-1],
            literal.swapcase(),
            "undefined",
            f"({literal} OR 'x')",
        ):
            for form in {policy.beside(), policy.alone()}:
                yield from replaced(text, f"WITH {form}", f"WITH {form.replace(literal, other, 1)}")


def other_quotes(text, policy):
    quotes = str.maketrans("'\"", "\"'")
    for literal in sorted(set(LITERAL.findall(policy.alone()))):
        for form in {policy.beside(), policy.alone()}:
            yield from replaced(text, f"WITH {form}", f"WITH {form.replace(literal, literal.translate(quotes), 1)}")


def other_signs(text, policy):
    for old, new in (
        (" = ", " != "),
        (" != ", " = "),
        (" = ", " ~= "),
        (" OR ", " AND "),
        ("(", ""),
        ("undefined", "'undefined'"),
    ):
        for form in {policy.beside(), policy.alone()}:
            if old in form:
                yield from replaced(text, f"WITH {form}", f"WITH {form.replace(old, new, 1)}")


def attacked(text, policy):
    for attack in ATTACKS:
        yield from with_p(text, policy, f"WITH {{P}} AND ({attack})", f"WITH {{P}} AND {attack}")
        yield f"{text} WHERE {attack}"


def in_a_string(text, policy):
    """P is there, but what a lexer finds is a string, a name in brackets, a regex or a comment."""
    for begin, end in (("'", "'"), ('"', '"'), ("[", "]"), ("/* ", " */"), ("a = /", "/"), ("#", "")):
        yield from with_p(text, policy, f"WITH {begin}{{P}}{end}", f"WITH {begin}{{P}}{end} = 1")


def another_selector(text, policy):
    for part in ("THAT HAS Device", "THAT !HAS Device", "(THAT HAS Device)?", "THAT SOMEHOW HAS Device", "FIND Device"):
        yield from with_p(text, policy, f"WITH {{P}} {part}")
    yield re.sub(r"^(FIND )?", "FIND Device THAT HAS ", text)
    yield re.sub(r"^(FIND )?", "FIND Device, ", text)
    yield f"{text} WHERE x.y = (FIND Device RETURN Device.y)"


def keyword_in_another_case(text, policy):
    yield from with_p(text, policy, "with {P}", "With {P}")
    yield from replaced(text, " THAT", " That")


ON_SELECTORS = (
    without_p,
    or_for_and,
    open_parts,
    an_alternative,
    other_values,
    other_quotes,
    other_signs,
    attacked,
    in_a_string,
    another_selector,
    keyword_in_another_case,
)


def relationships(text, policy):
    """(name, P of that name) for each relationship that WHERE holds to P."""
    where = text.partition(" WHERE ")[2]
    for name in dict.fromkeys(re.findall(r"\b(gw\d+|\w+)\.", where)):
        for form in (policy.operand(f"{name}."), policy.alone(f"{name}.")):
            if re.search(rf"(?<![\w.]){re.escape(form)}", where):
                yield name, form
                break


def no_where(text, policy):
    for _, form in relationships(text, policy):
        before, where, after = text.partition(" WHERE ")
        for old in (f" AND {form}", f"{form} AND "):
            if old in after:
                yield before + where + after.replace(old, "", 1)
                break
        else:
            if after.startswith(form):
                yield before + after.removeprefix(form)


def weak_where(text, policy):
    for _, form in relationships(text, policy):
        for weak in (f"{form} OR a.x = 1", f"({form} OR a.x = 1)", f"!({form})", f"x.y = '{form}'", f"({form}) = 1"):
            before, where, after = text.partition(" WHERE ")
            yield before + where + after.replace(form, weak, 1)


def wrong_name(text, policy):
    for name, form in relationships(text, policy):
        before, where, after = text.partition(" WHERE ")
        for other in ("gw99", "HAS", name.swapcase()):
            yield before + where + after.replace(form, form.replace(f"{name}.", f"{other}."), 1)
        if f" AS {name} " in before:
            yield before.replace(f" AS {name} ", " AS gw99 ", 1) + where + after
            yield before.replace(f" AS {name} ", " ", 1) + where + after


def shared_name(text, policy):
    for name, _ in relationships(text, policy):
        before, where, after = text.partition(" WHERE ")
        yield f"{re.sub(r'^FIND ', f'FIND A WITH {policy.beside()} AS {name} THAT IS AS gw99 ', before)}{where}{after}"
        yield before + where + after + f" AND {policy.operand('gw99.')} RETURN x.y AS {name.upper()}"


def another_relationship(text, policy):
    p = policy.beside()
    for step in (
        f"THAT KNOWS Person WITH {p}",
        f"(THAT KNOWS AS gw99 Person WITH {p})?",
        f"THAT !KNOWS Person WITH {p}",
    ):
        yield from replaced(text, " WHERE", f" {step} WHERE")


ON_RELATIONSHIPS = (no_where, weak_where, wrong_name, shared_name, another_relationship)


def mutants(mutate, policy, mode):
    """Of every 30th query for each policy and mode, others for each."""
    turns = [(each, either) for each in POLICIES.values() for either in Mode]
    for text in narrowed(policy, mode, first=turns.index((policy, mode)), step=3 * len(turns)):
        yield from (mutant for mutant in mutate(text, policy) if mutant != text)


@in_both_modes
@for_every_policy
@pytest.mark.parametrize("mutate", ON_SELECTORS, ids=lambda mutate: mutate.__name__)
def test_no_text_whose_selectors_were_tampered_with_is_proven(mutate, policy, mode):
    made = 0
    for mutant in mutants(mutate, policy, mode):
        made += 1
        assert verified(mutant, policy.predicate, strict=mode is Mode.STRICT), mutant
    assert made


@for_every_policy
@pytest.mark.parametrize("mutate", ON_RELATIONSHIPS, ids=lambda mutate: mutate.__name__)
def test_no_text_whose_relationships_were_tampered_with_is_proven_under_strict(mutate, policy):
    made = 0
    for mutant in mutants(mutate, policy, Mode.STRICT):
        made += 1
        assert verified(mutant, policy.predicate, strict=True), mutant
    assert made
