"""Every edge case of the keys has a test that names its number, in its own name or in its docstring.

The numbers are those of the team's list of 182 cases, each tied to a sentence of the vendors' documents. Left out: what
would need a content engine (82 to 84; the same rows are tested on `/j1ql`).
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

CASES = 182
WITHOUT = {82, 83, 84}

_NAME = re.compile(r"test_((?:\d+_)+)")
_DOCSTRING = re.compile(r"[Ee]dge cases? ((?:\d+(?:, | and | to )?)+)")


def named(function):
    """The numbers that a test names."""
    if match := _NAME.match(function.name):
        yield from (int(number) for number in match[1].split("_") if number)
    for match in _DOCSTRING.finditer(ast.get_docstring(function) or ""):
        yield from (int(number) for number in re.findall(r"\d+", match[1]))


def all_tests():
    for file in Path(__file__).parent.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield file, node


def test_every_edge_case_has_a_test():
    found = {number for _, node in all_tests() for number in named(node)}
    assert set(range(1, CASES + 1)) - WITHOUT - found == set()


def test_a_number_is_one_of_the_list():
    strange = [
        (file.name, node.name) for file, node in all_tests() for number in named(node) if not 1 <= number <= CASES
    ]
    assert strange == []
