"""The golden cases of the query engine, and what they cannot show."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.j1ql import parse, tree
from gateway.sandbox.evaluate import EvaluationError, Limits, Result, evaluate
from gateway.sandbox.graph import Entity, Graph, Relationship

CASES = Path(__file__).parent / "evaluate_cases"

NOW = 1577836800000
CREATED_ON = 1559347200000
VARIABLES: dict[str, object] = {
    "team": "red",
    "teams": ["red", "blue"],
    "trick": "' OR tag.team = 'blue",
    "object": {"a": 1},
    "param.team": "red",
}
PARAMETERS: dict[str, object] = {"age": 30}

_ENTITY = re.compile(r"(\w+) +(\w+) +([\w,]+) *(\{.*\})?")
_RELATIONSHIP = re.compile(r"(\w+) -(\w+)-> (\w+) *(\{.*\})?")


def entity(line: re.Match[str]) -> Entity:
    name, kind, classes, properties = line.groups()
    metadata = {
        "_id": f"id of {name}",
        "_key": f"key of {name}",
        "_type": [kind],
        "_class": classes.split(","),
        "_createdOn": CREATED_ON,
        "displayName": name,
    }
    return Entity(name, metadata, json.loads(properties or "{}"))


def relationship(line: re.Match[str]) -> Relationship:
    start, verb, end, properties = line.groups()
    name = f"{start}-{verb}->{end}"
    metadata = {"_id": f"id of {name}", "_key": f"key of {name}", "_type": verb.lower(), "_class": verb}
    return Relationship(name, start, end, metadata, json.loads(properties or "{}"))


def graph_of(lines: list[str]) -> Graph:
    return Graph(
        [entity(match) for line in lines if (match := _ENTITY.fullmatch(line))],
        [relationship(match) for line in lines if (match := _RELATIONSHIP.fullmatch(line))],
    )


def small_graph() -> Graph:
    return graph_of((CASES / "graph.txt").read_text().splitlines())


def answer(query: str | tree.Query, graph: Graph | None = None, **limits: int) -> Result:
    return evaluate(
        parse(query) if isinstance(query, str) else query,
        small_graph() if graph is None else graph,
        variables=VARIABLES,
        parameters=PARAMETERS,
        now=NOW,
        limits=Limits(**limits),
    )


def refusal(query: str | tree.Query, graph: Graph | None = None, **limits: int) -> str:
    with pytest.raises(EvaluationError) as error:
        answer(query, graph, **limits)
    return str(error.value)


# --- the cases ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A comment that says what holds, a query, and after the arrow the type of the answer and the answer."""

    says: str
    query: str
    expected: str


def cases() -> Iterator[object]:
    for file in sorted(CASES.glob("*.txt")):
        for block in file.read_text().split("\n\n"):
            if "=>" in block and file.name != "graph.txt":
                says, query, expected = re.fullmatch(r"# (.*?)\n(.*?)\n=> (.*)", block.strip(), re.DOTALL).groups()
                yield pytest.param(Case(says, query, expected), id=f"{file.stem}: {says}")


def brief(data: object) -> object:
    """An answer with its objects as their ids, in angle brackets where they stand in a table."""
    match data:
        case {"vertices": vertices, "edges": edges}:
            return {"vertices": [vertex["id"] for vertex in vertices], "edges": [edge["id"] for edge in edges]}
        case {"id": name, "properties": _}:
            return f"<{name}>"
        case dict():
            return {name: brief(value) for name, value in data.items()}
        case list():
            return [brief(item) for item in data]
        case _:
            return data


def written(query: str) -> tuple[str, object]:
    try:
        result = answer(query)
    except EvaluationError as error:
        return "error", str(error)
    if result.type == "list":
        return "list", [row["id"] for row in result.data]
    return result.type, brief(result.data)


@pytest.mark.parametrize("case", list(cases()))
def test_a_query_has_the_answer_that_its_case_says(case: Case) -> None:
    shape, _, data = case.expected.partition(" ")
    assert written(case.query) == (shape, data if shape == "error" else json.loads(data))


def test_every_case_file_is_read() -> None:
    assert len({case.id.partition(":")[0] for case in cases()}) == len(list(CASES.glob("*.txt"))) - 1


# --- the shapes of the wire -------------------------------------------------------------------------------------------

MAC = {
    "id": "mac",
    "entity": {
        "_id": "id of mac",
        "_key": "key of mac",
        "_type": ["laptop"],
        "_class": ["Device", "Host"],
        "_createdOn": "2019-06-01T00:00:00.000Z",
        "displayName": "mac",
    },
    "properties": {"ipAddress": "10.0.0.7", "size": 10, "tag.Production": True, "classification": "critical"},
}
OWNS = {
    "id": "amy-OWNS->mac",
    "fromVertexId": "amy",
    "toVertexId": "mac",
    "relationship": {
        "_id": "id of amy-OWNS->mac",
        "_key": "key of amy-OWNS->mac",
        "_type": "owns",
        "_class": "OWNS",
    },
    "properties": {},
}


def test_a_row_of_a_list_keeps_metadata_and_properties_apart() -> None:
    assert answer("FIND laptop") == Result("list", [MAC])


def test_a_tree_has_vertices_like_rows_of_a_list_and_edges_that_name_their_ends() -> None:
    result = answer("FIND laptop THAT OWNS Person RETURN TREE")
    assert (result.type, result.data["vertices"][0], result.data["edges"]) == ("tree", MAC, [OWNS])


def test_a_whole_object_in_a_table_is_as_in_a_list_or_a_tree() -> None:
    result = answer("FIND laptop AS d THAT OWNS AS r Person RETURN d, r")
    assert result == Result("table", [{"d": MAC, "r": OWNS}])


def test_everything_of_an_alias_is_a_flat_row() -> None:
    [row] = answer("FIND laptop AS d RETURN d.*").data
    assert row == {f"d.{name}": value for part in ("entity", "properties") for name, value in MAC[part].items()}


def test_everything_of_a_relationship_is_a_flat_row() -> None:
    [row] = answer("FIND laptop THAT CONNECTS AS c server RETURN c.*").data
    assert (row["c._class"], row["c.port"]) == ("CONNECTS", 22)


def test_everything_of_what_is_not_there_is_nothing() -> None:
    assert answer("FIND Person WITH labels = 'new' THAT !OWNS Device AS d RETURN d.*") == Result("table", [{}])


# --- limits -----------------------------------------------------------------------------------------------------------

TOO_MANY = "Query examines too many rows. Narrow its selectors with WITH"


@pytest.mark.parametrize(
    ("query", "examined"),
    [
        ("FIND *", 9 + 9),
        ("FIND Person", 2 + 2),
        ("FIND server WITH size = 0 THAT RELATES TO *", 2 + 2 + 1),
        ("FIND server WITH size = 0 THAT !RELATES TO Person", 2 + 2 + 1),
        ("FIND cms_app THAT SOMEHOW 2 RELATES TO Device", 1 + 1 + 6 + 1),
        ("FIND laptop WITH size = (FIND server AS s RETURN s.size)", 1 + 2 + 2),
        ("FIND server WITH size > 0 AS s RETURN UNWIND(s.ports), UNWIND(s.tags)", 2 + 4),
    ],
)
def test_a_query_may_look_at_so_many_entities_relationships_and_rows(query: str, examined: int) -> None:
    answer(query, examined=examined)
    assert refusal(query, examined=examined - 1) == TOO_MANY


def test_the_default_limit_ends_what_would_not_end() -> None:
    crowd = [f"e{number} thing Thing" for number in range(60)]
    graph = graph_of(crowd + [f"e{i} -KNOWS-> e{j}" for i in range(60) for j in range(i)])
    assert refusal("FIND Thing" + " THAT KNOWS Thing" * 7, graph) == TOO_MANY


def test_a_pattern_that_makes_other_matchers_despair_is_matched_like_any_other() -> None:
    graph = graph_of([f'ana user User {{"text": "{"a" * 300}"}}'])
    hostile = "a?" * 30 + "a*" * 30 + "b"
    assert answer(f"FIND User WITH text = /{hostile}/", graph).data == []


def test_a_pattern_has_a_longest_length() -> None:
    assert [row["id"] for row in answer("FIND User WITH tag.team = /[a-z]{3}e/", pattern=4).data] == ["bob"]
    assert refusal("FIND User WITH tag.team = /[a-z]{4}e/", pattern=4) == (
        "Regular expression describes more than 4 characters"
    )


@pytest.mark.parametrize(("somehow", "reached"), [("SOMEHOW", 5), ("SOMEHOW 10", 10)])
def test_path_finding_goes_five_hops_unless_told_and_ten_at_most(somehow: str, reached: int) -> None:
    things = [f"e{number} thing Thing" for number in range(1, 12)]
    graph = graph_of(["e0 start Thing", *things, *(f"e{number} -NEXT-> e{number + 1}" for number in range(11))])
    assert answer(f"FIND start THAT {somehow} NEXT thing AS t RETURN COUNT(t) AS c", graph).data == [{"c": reached}]


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "clause", ["WHERE x.a = 1", "RETURN x.a", "ORDER BY x.a", "LIMIT 251", "THAT SOMEHOW 99 HAS *"]
)
def test_a_fault_in_a_query_is_found_whatever_the_graph_holds(clause: str) -> None:
    assert refusal(f"FIND User AS u {clause}", Graph()) == refusal(f"FIND User AS u {clause}")


USER = tree.Selector(tree.Name("User"), alias="u")
NAME = tree.Path((tree.Segment("u"), tree.Segment("name")))


def returning(*values: tree.Expression) -> tree.Query:
    return tree.Query(USER, returns=tuple(tree.Item(value, "") for value in values))


def where(operator: str, right: tree.Expression | tree.Subquery) -> tree.Query:
    return tree.Query(USER, where=tree.Comparison(NAME, operator, right))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (returning(tree.Call("LOWER", (NAME,))), "Function LOWER is not supported here"),
        (returning(tree.Call("ABS", ())), "Wrong number of arguments for ABS: 0"),
        (returning(tree.Regex("x", "")), "A regular expression may only be compared with"),
        (returning(tree.Number("9" * 5000)), "Number out of range: 99999999999999999999..."),
        (returning(tree.Number("9" * 500)), "Number out of range: 99999999999999999999..."),
        (returning(tree.Number("1e999")), "Number out of range: 1e999..."),
        (returning(tree.Now(1, "week")), "Invalid date unit: week"),
        (where("=", tree.Date("yesterday")), "Invalid date: yesterday"),
        (where("=", tree.Date("2019-9")), "Invalid date: 2019-9"),
        (where("=", tree.Date("20191030")), "Invalid date: 20191030"),
        (where("=", tree.Regex("x", "g")), "Unsupported regular expression flags: g"),
        (where("=", tree.Subquery(returning(NAME, NAME))), "A subquery must return exactly one property"),
        (where("=", tree.Subquery(tree.Query(USER))), "A subquery must return exactly one property"),
        (where(">", tree.Subquery(returning(NAME))), "Subqueries are only supported with = and !="),
        (where("=", tree.Call("COUNT", (NAME,))), "Function COUNT is not supported here"),
    ],
)
def test_a_tree_that_no_text_has_is_refused_all_the_same(query: tree.Query, message: str) -> None:
    assert refusal(query) == message


@pytest.mark.parametrize(
    ("text", "born"),
    [
        ("2019-09", ["amy"]),
        ("2019-12-01T01:00+01:00", ["ben"]),
        ("2019-12-01T00:00:00.000Z", ["ben"]),
        ("2019-12-01T00:00:00.0Z", ["ben"]),
        ("2019-12-01T00Z", ["ben"]),
        ("2019", []),
    ],
)
def test_a_date_may_be_less_or_more_than_a_day(text: str, born: list[str]) -> None:
    assert [row["id"] for row in answer(f"FIND Person WITH born = date({text})").data] == born


def test_numbers_beyond_every_double_are_undefined() -> None:
    graph = graph_of([f'ana user User {{"big": {10**300}, "huge": {10**400}}}', f'bob user User {{"big": {10**300}}}'])
    columns = "u.big * 1000000000 AS a, u.huge / 2.5 AS b, SUM(u.huge) AS c, AVG(u.huge) AS d, COUNT(u) AS e"
    assert answer(f"FIND User AS u RETURN {columns}", graph).data == [{"e": 2}]


# --- laws -------------------------------------------------------------------------------------------------------------

OPERATORS = ["=", "~=", "^=", "$="]
VALUES = ["'red'", "40", "true", "undefined", "('red' OR 'blue')", "('a@y.org' AND 'ana@x.com')", "/e/", "${teams}"]
PROPERTIES = ["tag.team", "age", "active", "emails", "labels", "none", "_type"]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("value", VALUES)
def test_a_negated_operator_selects_exactly_the_rest(operator: str, value: str) -> None:
    everything = [row["id"] for row in answer("FIND *").data]
    for name in PROPERTIES:
        selected = {row["id"] for row in answer(f"FIND * WITH {name} {operator} {value}").data}
        rest = [row["id"] for row in answer(f"FIND * WITH {name} !{operator} {value}").data]
        assert rest == [each for each in everything if each not in selected]
