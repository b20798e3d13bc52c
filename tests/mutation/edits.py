"""Small errors that a programmer could make, as edits of a module's syntax tree.

Each edit replaces one node. Left alone are annotations, docstrings and sentences for people, in which an error would
change nothing that is promised.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mutation.patterns import weakened

Function = ast.FunctionDef | ast.AsyncFunctionDef

_SENTENCE = re.compile(r"[a-z]+,? [a-z]+")
_UNWRAPPED = frozenset("casefold lower strip upper".split())
_OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.Pow: (ast.Mult,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitAnd: (ast.BitOr,),
}
_NOT_RUN = frozenset("annotation returns decorator_list ctx type_params bases".split())
_TYPES = frozenset("Callable dict frozenset list tuple".split())
_SWAPPED = {"any": "all", "all": "any", "min": "max", "max": "min"}


@dataclass(frozen=True, slots=True)
class Place:
    """`names` leads to the innermost class or function; `function` to the outermost function, if the node is in a body.

    `statement` is the innermost one; `assigned` are the names that have a value before it.
    """

    names: tuple[str, ...] = ()
    function: tuple[str, ...] | None = None
    statement: ast.stmt | None = None
    assigned: frozenset[str] = frozenset()


@dataclass(slots=True)
class Edit:
    """`new` in place of what is there; `at` is None where the field is no list, and `new` None removes from one."""

    place: Place
    parent: ast.AST
    field: str
    at: int | None
    new: ast.AST | None

    def apply(self) -> ast.AST:
        """Makes the edit, and returns what was there."""
        if self.at is None:
            old = getattr(self.parent, self.field)
            setattr(self.parent, self.field, self.new)
            return old
        values = getattr(self.parent, self.field)
        old = values[self.at]
        values[self.at : self.at + 1] = [] if self.new is None else [self.new]
        return old

    def undo(self, old: ast.AST) -> None:
        if self.at is None:
            setattr(self.parent, self.field, old)
        else:
            getattr(self.parent, self.field)[self.at : self.at + (self.new is not None)] = [old]


def read(source: str) -> ast.Module:
    """The tree of a module, in which raw strings are known as such: they are regular expressions."""
    tree, lines = ast.parse(source), source.split("\n")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            begins = lines[node.lineno - 1].encode()[node.col_offset :][:2].lower()
            node.raw = begins in (b"r'", b'r"', b"rf", b"fr")
    return tree


def edits_of(tree: ast.Module) -> Iterator[Edit]:
    """Every edit of a module, each to be made and undone before the next is asked for."""
    yield from _in_list(tree, "body", Place())


# --- the walk -------------------------------------------------------------------------------------------------------


def _in_list(parent: ast.AST, field: str, place: Place) -> Iterator[Edit]:
    """Statements, one after the other."""
    assigned = place.assigned
    for at, statement in enumerate(getattr(parent, field)):
        here = Place(place.names, place.function, statement, assigned)
        if not _left_alone(statement):
            yield from _on_statement(parent, field, at, here)
        assigned |= {node.id for node in ast.walk(statement) if _stored(node)}


def _left_alone(statement: ast.stmt) -> bool:
    docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    exported = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
    return docstring or exported or isinstance(statement, ast.Import | ast.ImportFrom)


def _stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _on_statement(parent: ast.AST, field: str, at: int, place: Place) -> Iterator[Edit]:
    statement = place.statement
    if _can_be_left_out(statement, parent, place):
        yield Edit(place, parent, field, at, ast.Pass())
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from _on_function(statement, place)
        case ast.ClassDef():
            yield from _in_list(statement, "body", Place((*place.names, statement.name)))
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield Edit(place, statement, "value", None, ast.Constant(None))
            yield from _within(statement, place)
        case _:
            yield from _within(statement, place)


def _can_be_left_out(statement: ast.stmt | None, parent: ast.AST, place: Place) -> bool:
    """Unless that is what another edit comes to: a condition that never holds, a function that returns None."""
    if isinstance(parent, ast.If) and parent.body == [statement]:
        return False
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in place.assigned
        case ast.Return():
            return not isinstance(parent, Function)
        case ast.Expr() | ast.Raise() | ast.AugAssign() | ast.For() | ast.Continue():
            return True
        case _:
            return False


def _on_function(function: Function, place: Place) -> Iterator[Edit]:
    names = (*place.names, function.name)
    yield from _within(function.args, Place(names, place.function, function))
    arguments = frozenset(each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg))
    yield from _in_list(function, "body", Place(names, place.function or names, None, arguments | place.assigned))


def _within(node: ast.AST, place: Place) -> Iterator[Edit]:
    """Edits of all that stands in a node, which is not a sentence for people."""
    for field, value in ast.iter_fields(node):
        if field in _NOT_RUN:
            continue
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            yield from _in_list(node, field, place)
        elif isinstance(value, list):
            for at, each in enumerate(value):
                if isinstance(each, ast.AST):
                    yield from _on_node(node, field, at, each, place)
        elif isinstance(value, ast.AST):
            yield from _on_node(node, field, None, value, place)


def _on_node(parent: ast.AST, field: str, at: int | None, node: ast.AST, place: Place) -> Iterator[Edit]:
    missing = _may_be_missing(parent, field, node)
    if missing:
        yield Edit(place, parent, field, at, None)
    for new in () if missing and isinstance(node, ast.Constant) else _others(parent, field, node):
        yield Edit(place, parent, field, at, new)
    if not _is_pattern(node) and not _is_words(node) and not _is_type(node):
        yield from _within(node, place)


# --- what stands in the place of a node -------------------------------------------------------------------------------


def _others(parent: ast.AST, field: str, node: ast.AST) -> Iterator[ast.AST]:
    if field in ("test", "guard") or (field == "ifs" and isinstance(parent, ast.comprehension)):
        yield from (ast.Constant(value) for value in (True, False) if not _never_ends(parent, value=value))
    if _is_pattern(node):
        yield from weakened(node)
    elif isinstance(node, ast.Constant):
        yield from _constants(parent, node)
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif not _joins_types(parent):
        yield from (other() for other in _OPERATORS.get(type(node), ()))
        yield from _expressions(node)


def _expressions(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BoolOp(values=values):
            yield from (_without(node, at) for at in range(len(values)))
        case ast.Name(id=name, ctx=ast.Load()) if name in _SWAPPED:
            yield ast.Name(_SWAPPED[name], ast.Load())


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(words)), attr="split"), args=[]):
            for word in words.split():
                yield _word_less(words, word)
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=[]) if name in _UNWRAPPED:
            yield value


def _never_ends(parent: ast.AST, *, value: bool) -> bool:
    return isinstance(parent, ast.While) and value


def _constants(parent: ast.AST, node: ast.Constant) -> Iterator[ast.AST]:
    match node.value:
        case bool(value):
            yield ast.Constant(not value)
        case int(value):
            yield ast.Constant(value + 1)
        case str(value) if not _is_sentence(parent, value):
            yield ast.Constant("" if value else "X")


def _is_sentence(parent: ast.AST, text: str) -> bool:
    """Or a piece of one, a quotation mark for instance."""
    if not isinstance(parent, ast.JoinedStr):
        return _SENTENCE.search(text) is not None
    whole = "".join(piece.value if isinstance(piece, ast.Constant) else "x" for piece in parent.values)
    return " " in text or (_SENTENCE.search(whole) is not None and not any(map(str.isalnum, text)))


def _without(node: ast.BoolOp, at: int) -> ast.expr:
    left = node.values[:at] + node.values[at + 1 :]
    return left[0] if len(left) == 1 else ast.BoolOp(node.op, left)


def _word_less(words: str, word: str) -> ast.expr:
    left = " ".join(each for each in words.split() if each != word)
    return ast.Call(ast.Attribute(ast.Constant(left), "split", ast.Load()), [], [])


def _joins_types(parent: ast.AST) -> bool:
    """`A | B` of classes, as in the name of a type."""
    return isinstance(parent, ast.BinOp) and all(
        name[0].isupper() and not name.isupper()
        for side in _sides(parent)
        for name in [side.attr if isinstance(side, ast.Attribute) else getattr(side, "id", "X")]
    )


def _sides(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp):
        yield from _sides(node.left)
        yield from _sides(node.right)
    else:
        yield node


def _is_pattern(node: ast.AST) -> bool:
    return getattr(node, "raw", False)


def _is_type(node: ast.AST) -> bool:
    """`dict[str, Raw]`"""
    return isinstance(node, ast.Subscript) and ast.unparse(node.value) in _TYPES


def _is_words(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".split") and not node.args


def _may_be_missing(parent: ast.AST, field: str, node: ast.AST) -> bool:
    """An entry of a table, a named argument, a case."""
    if field == "elts":
        return isinstance(getattr(parent, "ctx", ast.Load()), ast.Load)
    if field == "keywords":
        return node.arg is not None
    return field == "cases" and not all(isinstance(each, ast.Pass) for each in node.body)
