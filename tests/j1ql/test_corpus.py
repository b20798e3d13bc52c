"""Queries of the wild: from the vendor's documentation, rule packs, dashboards, integrations and clients."""

import pytest

from collection import documented_mistakes, needs_collection, real_queries
from gateway.j1ql import J1QLSyntaxError, parse, render

pytestmark = needs_collection

CLAUSES = "expected `THAT`, `WHERE`, `RETURN`, `HAVING`, `ORDER BY`, `LIMIT` or the end of the query, found"

NOT_J1QL = {
    # three dots for "and so on"
    "Find AccessPolicy that ALLOWS (aws_account|aws_s3|aws_s3_bucket) ...": f"{CLAUSES} `.` at line 2, column 50",
    # the second half is missing
    "Find aws_acm_certificate with expiresOn < date.now + 30days OR": (
        "expected a property name, found the end of the query at line 3, column 3"
    ),
    # a template of the documentation
    "Find (Host|DataStore|Workload) with classification = undefined that relates to aws_vpc with tag.{tagName} = '{tagValue}'": (  # noqa: E501
        "unexpected character `{` at line 2, column 36"
    ),
    # typeset, and a remark behind it
    "FIND UNIQUE User AS u THAT IS Person AS p RETURN p.displayName, merge(p.email, u.email, u.publicEmail) AS “Email List” (edited)": (  # noqa: E501
        "a string begins with ' or \", not with a curly quote at line 3, column 65"
    ),
    # one parenthesis too many, one too few
    "FIND * as any THAT HAS Risk as r RETURN any.displayName, any._class, sqrt((5 - r.impact)^2 + (5 - r.probability)^2)) as score ORDER BY score ASC": (  # noqa: E501
        "this `)` closes nothing at line 1, column 117"
    ),
    "FIND * WITH ((_class = ('Application' or 'CodeRepo' or 'DataStore' or 'Function' or 'Host' or 'Logs') and (tag.Production = true and classification = 'critical')) or tags = 'CriticalAsset'": (  # noqa: E501
        "this `(` is never closed at line 1, column 13"
    ),
    # a second WITH for AND, in a release note of 2018
    "Find * with _class='Host' or _class='Device' with ipAddress='10.50.2.17'": (
        "`WITH` is out of place: it follows a class or type, once, and comes before `AS` at line 1, column 46"
    ),
    # THAT is missing
    "Find google_user ASSIGNED google_iam_role": f"{CLAUSES} `ASSIGNED` at line 1, column 18",
    # templates of programs
    "FIND CodeModule WITH displayName = (${codeModules .map((codeModule) =>": (
        "expected a parameter, such as `${param.name}` at line 2, column 25"
    ),
    "FIND Finding WITH severity = $severity AND tag.Environment = $environment RETURN displayName, severity, createdOn ORDER BY createdOn DESC LIMIT 10": (  # noqa: E501
        "unexpected character `$` at line 2, column 25"
    ),
    # the pattern of a message about WHERE, not a query
    "FIND Entity AS e WHERE e.property = value": (
        "`value` has no alias: write `alias.value` in WHERE, or put the condition in WITH at line 1, column 37"
    ),
    # AS before WITH, documented as wrong
    'FIND Host as h WITH platform = "linux" RETURN h.displayName, h.platform, h.ipAddress': (
        "`AS h` must come after `WITH`: write `WITH … AS h` at line 1, column 11"
    ),
}
"""Query, with single spaces -> the first line of its error."""


def spaced(query):
    return " ".join(query.split())


def test_every_real_query_is_read_but_for_typos_and_templates():
    refused = {}
    for query in real_queries():
        try:
            parse(query)
        except J1QLSyntaxError as fault:
            refused[spaced(query)] = str(fault).partition("\n")[0]
    assert refused == NOT_J1QL


def test_every_real_query_reads_the_same_after_printing():
    for query in real_queries():
        if spaced(query) not in NOT_J1QL:
            tree = parse(query)
            printed = render(tree)
            assert parse(printed) == tree, query
            assert render(parse(printed)) == printed, query


@pytest.mark.parametrize("case", documented_mistakes(), ids=lambda case: case["query"])
def test_a_documented_mistake_of_syntax_is_refused_and_one_of_style_is_not(case):
    if case["kind"].startswith("style"):
        assert render(parse(case["query"])) == case["query"]
    else:
        with pytest.raises(J1QLSyntaxError, match=r"\^$"):
            parse(case["query"])
