"""What is read of a document is what an executor does with it: random documents, against graphql-core's own executor.

The executor calls each root field with its arguments; directives that skip something are left out, because here a field
counts whether or not it is skipped.
"""

from __future__ import annotations

from collections import Counter

import graphql
from graphql import GraphQLField, GraphQLObjectType, GraphQLScalarType, GraphQLSchema
from hypothesis import event, given, settings
from hypothesis import strategies as st

from gateway.authz.documents import fields
from gateway.authz.outcome import GraphQLRequest
from gateway.authz.rules import GraphQLLimits
from gateway.http1 import Refusal

FIELDS = ("one", "two", "three")
ARGUMENTS = ("a", "b")
VARIABLES = ("v", "w", "x")
FRAGMENTS = ("F", "G", "H")

ANYTHING = GraphQLScalarType("Anything")
THING = GraphQLObjectType(
    "Thing",
    lambda: {
        name: GraphQLField(THING, {argument: graphql.GraphQLArgument(ANYTHING) for argument in ARGUMENTS})
        for name in FIELDS
    },
)
SCHEMA = GraphQLSchema(THING, mutation=GraphQLObjectType("Mutated", lambda: THING.fields))

LIMITS = GraphQLLimits(fields=10**6, aliases=10**6, roots=10**6)
"""Fragments that are spread several times count as often, which is not what is looked at here."""

TEXTS = st.sampled_from(
    ['"x"', '""', r'"\u0041"', '"""\n  block\n  """', "1", "-2.5", "true", "null", "WORD", "$v", "$w", "$x"]
)
VALUES = st.recursive(
    TEXTS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{' '.join(items)}]"),
        st.dictionaries(st.sampled_from("mn"), inner).map(
            lambda members: "{" + ", ".join(f"{name}: {value}" for name, value in members.items()) + "}"
        ),
    ),
    max_leaves=4,
)
CONSTANTS = VALUES.filter(lambda text: "$" not in text)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text("ab$", max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("mn"), inner)),
    max_leaves=4,
)


@st.composite
def field(draw, number, below):
    """Each occurrence has a name of its own in the answer, so that none is merged with another."""
    given = draw(st.dictionaries(st.sampled_from(ARGUMENTS), VALUES))
    arguments = f"({', '.join(f'{name}: {value}' for name, value in given.items())})" if given else ""
    key = f"{draw(st.sampled_from(['k', 'one', 'two']))}{next(number)}"
    return f"{key}: {draw(st.sampled_from(FIELDS))}{arguments} {below}"


@st.composite
def selections(draw, number, spreads, depth=2):
    """A selection set; `spreads` are the fragments that may be in it."""
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["field", "inline", *(["spread"] if spreads else [])]))
        if kind == "spread":
            parts.append(f"...{draw(st.sampled_from(spreads))}")
        elif kind == "inline" and depth:
            condition = draw(st.sampled_from(["", "on Thing ", "@include(if: true) "]))
            parts.append(f"... {condition}{draw(selections(number, spreads, depth - 1))}")
        else:
            below = draw(selections(number, (), 0)) if depth == 2 and draw(st.booleans()) else "{ __typename }"
            parts.append(draw(field(number, below)))
    return "{ " + " ".join(parts) + " }"


@st.composite
def requests(draw):
    """A request whose selected operation is called `Q`; fragments spread only those that come later in the alphabet."""
    number = iter(range(10_000))
    declared = draw(st.lists(st.sampled_from(VARIABLES), unique=True))
    variables = []
    for name in declared:
        default = draw(st.one_of(st.just(""), CONSTANTS.map(" = {}".format)))
        variables.append(f"${name}: Anything{default}")
    head = f"query Q({', '.join(variables)}) " if variables else "query Q "
    used = [name for name in FRAGMENTS if draw(st.booleans())]
    definitions = [head + draw(selections(number, used))]
    for place, name in enumerate(used):
        definitions.append(f"fragment {name} on Thing {draw(selections(number, used[place + 1 :]))}")
    if draw(st.booleans()):
        definitions.append("query Other { one { __typename } }")
    values = draw(st.dictionaries(st.sampled_from([*VARIABLES, "undeclared"]), JSON))
    return GraphQLRequest("\n".join(draw(st.permutations(definitions))), values, "Q")


def executed(request):
    """The root fields that an executor calls, with their arguments; None for a document that it does not execute."""
    called = []

    def call(_source, info, **arguments):
        if info.path.prev is None:
            called.append((info.field_name, repr(sorted(arguments.items()))))
        return {}

    document = graphql.parse(request.query)
    result = graphql.execute_sync(
        SCHEMA, document, {}, variable_values=request.variables, operation_name="Q", field_resolver=call
    )
    return None if result.errors else Counter(called)


@settings(max_examples=150, deadline=None)
@given(requests())
def test_root_fields_and_arguments_are_those_that_an_executor_uses(request):
    wanted = executed(request)
    if wanted is None:
        event("not executed")
        return
    read = fields(request, LIMITS)
    assert not isinstance(read, Refusal), read.message
    found = Counter((field.name, repr(sorted(field.arguments.items()))) for field in read)
    assert found == wanted
    event(f"{min(3, len(read))} root fields")
