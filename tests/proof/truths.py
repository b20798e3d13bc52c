"""What is true of a dialect: which of the capabilities and assumptions hold where it is spoken."""

from __future__ import annotations

from gateway.sandbox.dialect import (
    Dialect,
    Equality,
    ListCell,
    Membership,
    OptionalGroup,
    Parallel,
    Unmatched,
    WhereUnasked,
    Window,
)


def truths(dialect: Dialect) -> dict[str, bool]:
    """Of the capabilities, by name; what is not named holds in every dialect."""
    return {
        "negation_binds": dialect.negated_with,
        "optional_is_union": dialect.optional_group is OptionalGroup.UNION and dialect.unmatched is Unmatched.UNDEFINED,
        "limit_after_where": dialect.window is Window.ROWS,
        "where_before_aggregates": dialect.where_unasked is WhereUnasked.NOTHING,
        "paths_are_matches": dialect.parallel is Parallel.EACH,
        "smart_class_binds": dialect.smart_class_binds,
        "full_text_binds": not dialect.search_capped,
        "subquery_is_membership": dialect.membership is Membership.EXACT,
        "cells_hold_lists": dialect.list_cell is not ListCell.FIRST,
    }


def assumed(dialect: Dialect) -> dict[str, bool]:
    """Of what is assumed outright."""
    return {
        "equality_is_exact": dialect.equality is Equality.EXACT,
        "texts_equal_texts": not dialect.coercion,
    }
