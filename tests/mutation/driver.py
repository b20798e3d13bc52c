"""Tries each error of a package against the tests that watch over it.

A mutant costs little: what it needs is loaded once, and each is run in a forked child that exchanges the code of one
function, or the values that a module gives to its names, and ends at the first test that fails. For each mutant that
survived, and for those in the body of a class, another child loads everything itself, lest a value that was made early
had hidden it. A mutant that does not end is killed too.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from mutation.edits import Edit, edits_of, read

ROOT = Path(__file__).resolve().parents[2]
_SECONDS, _BYTES = 60, 4 << 30
_ALWAYS = ("-q", "-x", "--tb=no", "-p", "no:cacheprovider", "--timeout=0", "-m", "not proof")
_PROFILE = "--hypothesis-profile=mutation"
_PHASES = (Phase.explicit, Phase.generate)  # a counter-example need not be made small
_QUIET = (_PROFILE, "-W", "ignore::pytest.PytestAssertRewriteWarning")  # what is loaded first was loaded before pytest
_LOADED_FIRST = ("graphql", "hypothesis.strategies", "msgspec", "orjson", "cryptography.fernet", "jwt", "lark")


@dataclass(frozen=True, slots=True)
class Mutant:
    """`name` tells it from every other and outlives edits elsewhere in the module: the list of equivalents has it.

    `function` is what it is in, and `values` the assignments of its module, if these are not the same any more.
    """

    module: str
    name: str
    code: types.CodeType
    function: tuple[str, ...] | None
    values: types.CodeType | None


def mutants_of(module: str) -> Iterator[Mutant]:
    source = (ROOT / module.replace(".", "/")).with_suffix(".py")
    if not source.is_file():
        source = ROOT / module.replace(".", "/") / "__init__.py"
    tree = read(source.read_text())
    early, source_name = _early(tree), str(source)
    unchanged = ast.unparse(tree)
    seen: dict[str, int] = {}
    for edit in edits_of(tree):
        before = _statement(edit)
        old = edit.apply()
        changed = ast.unparse(tree)
        if changed != unchanged:
            name = f"{'.'.join((module, *edit.place.names))}: {_difference(before, _statement(edit))}"
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                name = f"{name} ({seen[name]})"
            function = edit.place.function
            values = _values(changed, source_name) if not edit.place.names or edit.place.names[0] in early else None
            yield Mutant(module, name, compile(changed, source_name, "exec"), function, values)
        edit.undo(old)


def _early(tree: ast.Module) -> frozenset[str]:
    """Functions that the module calls while it is loaded."""
    statements = [each for each in tree.body if not isinstance(each, ast.FunctionDef | ast.ClassDef)]
    calls = (node.func for each in statements for node in ast.walk(each) if isinstance(node, ast.Call))
    return frozenset(called.id for called in calls if isinstance(called, ast.Name))


def _values(changed: str, source: str) -> types.CodeType:
    tree = ast.parse(changed)
    tree.body = [each for each in tree.body if isinstance(each, ast.Assign | ast.AnnAssign)]
    return compile(tree, source, "exec")


# --- names ----------------------------------------------------------------------------------------------------------

_AROUND = 36


def _statement(edit: Edit) -> str:
    statement = edit.place.statement
    if edit.field in ("body", "orelse", "finalbody") and edit.at is not None:
        statement = getattr(edit.parent, edit.field)[edit.at]
    return " ".join(ast.unparse(statement).split())


def _difference(before: str, after: str) -> str:
    """`if a [or -> and] b`, with a little of what stands around."""
    begin = _shared(before, after)
    end = _shared(before[begin:][::-1], after[begin:][::-1])
    while begin and (before[begin - 1].isalnum() or before[begin - 1] == "_"):
        begin -= 1
    while end and (before[len(before) - end].isalnum() or before[len(before) - end] == "_"):
        end -= 1
    old, new = before[begin : len(before) - end], after[begin : len(after) - end]
    return f"{before[:begin][-_AROUND:]}[{old[:80]} -> {new[:80]}]{before[len(before) - end :][:_AROUND]}".strip()


def _shared(one: str, other: str) -> int:
    """How many characters they have in common at their beginnings."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


# --- one mutant -----------------------------------------------------------------------------------------------------


def forked(work: Callable[[], int]) -> int:
    """The process id of a child that does the work and ends with what it returns."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nowhere, stream)
            code = work()
        finally:
            os._exit(code)
    return child


def status_of(work: Callable[[], int]) -> int:
    """The wait status of a child that does the work, in time and in bounds: 0 if it returned 0."""

    def bounded() -> int:
        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
        return work()

    return os.waitpid(forked(bounded), 0)[1]


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads a mutant in place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, name, path, target=None):  # noqa: ARG002 - the interface
        if name != self._mutant.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        return importlib.util.spec_from_file_location(
            name, spec.origin, loader=self, submodule_search_locations=spec.submodule_search_locations
        )

    def create_module(self, spec):  # noqa: ARG002 - the interface
        return None

    def exec_module(self, module):
        exec(self._mutant.code, module.__dict__)


def survives_afresh(mutant: Mutant, tests: tuple[str, ...]) -> bool:
    def work() -> int:
        sys.meta_path.insert(0, _Finder(mutant))
        return int(pytest.main([*_ALWAYS, *_QUIET, *tests]))

    return status_of(work) == 0


def _exchange(mutant: Mutant) -> None:
    """Makes the running program the mutant, which has remembered nothing yet."""
    names = vars(sys.modules[mutant.module])
    for value in names.values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()
    if mutant.function:
        code, found = mutant.code, names
        for name in mutant.function:
            code = next(each for each in code.co_consts if isinstance(each, types.CodeType) and each.co_name == name)
            found = found[name] if isinstance(found, dict) else vars(found)[name]
        found = getattr(found, "fget", None) or getattr(found, "__func__", found)
        getattr(found, "__wrapped__", found).__code__ = code
    if mutant.values:
        before = dict(names)
        exec(mutant.values, names)
        for module in list(sys.modules.values()):
            for name, value in before.items():
                if names[name] is not value and getattr(module, "__dict__", {}).get(name) is value:
                    setattr(module, name, names[name])


class _Runs:
    """A plugin that runs the collected tests for each mutant, the last killers first, in place of running them once."""

    def __init__(self, mutants: list[Mutant], tell: Callable[[str, bool], None]) -> None:
        self._mutants = mutants
        self._tell = tell
        self._costs: dict[pytest.Item, float] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = list(session.items)
        if session.testsfailed or self._first_failure(session, items) is not None:
            return True
        for mutant in self._mutants:
            reading, writing = os.pipe()

            def work(mutant: Mutant = mutant, writing: int = writing) -> int:
                _exchange(mutant)
                failure = self._first_failure(session, items)
                os.write(writing, b"" if failure is None else str(failure).encode())
                return failure is not None

            status = status_of(work)
            os.close(writing)
            with os.fdopen(reading) as line:
                killer = line.read()
            if killer:
                items.insert(0, items.pop(int(killer)))
            # Ended by neither a test nor a signal (no time, no memory), it may have met an error of the driver's own.
            self._tell(mutant.name, not killer and not os.WIFSIGNALED(status))
        return True

    def _first_failure(self, session: pytest.Session, items: list[pytest.Item]) -> int | None:
        """A test that takes much longer than it did at first ends the process."""
        for number, item in enumerate(items):
            began = time.process_time()
            signal.setitimer(signal.ITIMER_PROF, 1 + 3 * self._costs[item] if item in self._costs else _SECONDS)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            signal.setitimer(signal.ITIMER_PROF, 0)
            self._costs.setdefault(item, time.process_time() - began)
            if session.testsfailed:
                return number
        return None


# --- many mutants ---------------------------------------------------------------------------------------------------


def survivors(mutants: list[Mutant], tests: tuple[str, ...]) -> list[str]:
    """The names of the mutants that no test notices."""
    settings.register_profile(
        "mutation", max_examples=50, deadline=None, derandomize=True, database=None, phases=_PHASES
    )
    for name in _LOADED_FIRST:
        importlib.import_module(name)
    if status_of(lambda: int(pytest.main([*_ALWAYS, *_QUIET, *tests]))):
        raise SystemExit("the tests fail without any mutant")
    quick = [mutant for mutant in mutants if mutant.function or mutant.values]
    doubtful = {each.name for each in mutants if each not in quick}.union(_survivors_of_exchange(quick, tests))
    return [each.name for each in mutants if each.name in doubtful and survives_afresh(each, tests)]


def _survivors_of_exchange(mutants: list[Mutant], tests: tuple[str, ...]) -> list[str]:
    """In a child, since the modules that it loads must not be loaded here."""
    reading, writing = os.pipe()

    def work() -> int:
        os.close(reading)
        with os.fdopen(writing, "w", buffering=1) as lines:
            runs = _Runs(mutants, lambda *verdict: print(json.dumps(verdict), file=lines))
            return int(pytest.main([*_ALWAYS, *_QUIET, *tests], plugins=[runs]))

    child = forked(work)
    os.close(writing)
    with os.fdopen(reading) as lines:
        told = [json.loads(line) for line in lines]
    os.waitpid(child, 0)
    if len(told) < len(mutants):
        raise SystemExit("the run ended early")
    return [name for name, survived in told if survived]
