"""The errors that are tried are the ones meant, and the list of those that change nothing is up to date."""

from __future__ import annotations

import ast

import pytest

from mutation.__main__ import PACKAGES, ROOT, equivalents, modules
from mutation.driver import mutants_of
from mutation.edits import edits_of, read


def edited(source):
    tree = read(source)
    made = []
    for edit in edits_of(tree):
        old = edit.apply()
        made.append(ast.unparse(tree))
        edit.undo(old)
    assert ast.unparse(tree) == ast.unparse(ast.parse(source))
    return [each.removeprefix("def f(a, b):\n    ") for each in made]


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("return a < b", ["return None", "return a <= b", "return a >= b"]),
        ("return a and not b", ["return None", "return not b", "return a", "return a or not b", "return a and b"]),
        ("if a:\n        raise b", ["if True:\n        raise b", "if False:\n        raise b"]),
        ("return any(a)", ["return None", "return all(a)"]),
        ("return (a, b)", ["return None", "return (b,)", "return (a,)"]),
        ("return f(a, b=1)", ["return None", "return f(a)", "return f(a, b=2)"]),
        ("return 'a sentence'", []),
        ("return f'`{a}` is a name'", ["return None"]),
        ("return f'({a} OR {b})'", ["return None", "return f'{a} OR {b})'", "return f'({a} OR {b}'"]),
        ("return isinstance(a, m.One | m.Two)", ["return None"]),
        ("T = Callable[[A], B]", []),
        ("return [a for a in b if a]", ["return None", *(f"return [a for a in b if {is_}]" for is_ in (True, False))]),
        ("a = f(a)\n    return 1", ["pass\n    return 1", "a = f(a)\n    return 2"]),
    ],
)
def test_an_error_is_made_in_every_place(source, made):
    assert edited(f"def f(a, b):\n    {source}") == [each.strip() for each in made]


def test_a_table_loses_each_of_its_words():
    assert edited("A = 'x y'.split()") == ["A = 'y'.split()", "A = 'x'.split()"]


@pytest.mark.parametrize(
    ("pattern", "made"),
    [
        ("ab|c|d", ["c|d", "ab|d", "ab|c"]),
        ("[a-z_]", ["[_]", "[a-z]"]),
        ("[^ab]", ["[^b]", "[^a]", "[ab]"]),
        ("a*(?:b|c)+", ["a(?:b|c)+", "a+(?:b|c)+", "a*(?:c)+", "a*(?:b)+", "a*(?:b|c)", "a*(?:b|c)*"]),
        ("a(?!b)", ["a"]),
        (r"\$\{x", []),
    ],
)
def test_a_pattern_loses_each_of_its_parts(pattern, made):
    assert edited(f"A = r'{pattern}'") == [f"A = {each!r}" for each in made]


def test_what_is_listed_as_equivalent_is_a_mutant():
    listed = equivalents()
    names = {each for names, _ in PACKAGES.values() for name in names for each in modules(name)}
    concerned = [name for name in sorted(names) if any(each.startswith((f"{name}:", f"{name}.")) for each in listed)]
    assert set(listed) <= {mutant.name for name in concerned for mutant in mutants_of(name)}
    assert all(reason.startswith("# ") for reason in listed.values())


def test_what_is_watched_over_and_by_what_is_there():
    for names, tests in PACKAGES.values():
        assert all((ROOT / test).exists() for test in tests)
        assert all(modules(name) for name in names)
