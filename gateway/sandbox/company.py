"""The example company: a believable graph over code hosting, cloud, identity, tickets, people, findings and documents.

The same seed gives the same graph, ids and times included, on every start and every machine.
"""

from __future__ import annotations

from functools import lru_cache

from gateway.sandbox.company_builder import Builder, Value
from gateway.sandbox.company_cloud import cloud
from gateway.sandbox.company_code import code
from gateway.sandbox.company_names import ARTICLES
from gateway.sandbox.company_people import People, people
from gateway.sandbox.graph import Entity, Graph, Relationship

SEED = 1
CONTENT_SCOPE = "my-blog"
"""The upload scope of the documents, named after the content project of the Contember documentation."""

ARTICLES_PER_TITLE = 6


def example_graph(account: str, seed: int = SEED) -> Graph:
    """A new graph of the example company, as an account of this id holds it."""
    return Graph(*_objects(account, seed))


@lru_cache(maxsize=4)  # the objects are values, and every test that starts a sandbox asks for the same ones
def _objects(account: str, seed: int) -> tuple[list[Entity], list[Relationship]]:
    make = Builder(account, seed)
    somebody = people(make)
    hosting = code(make, somebody)
    cloud(make, somebody, hosting)
    _documents(make, somebody)
    return make.objects()


def _documents(make: Builder, somebody: People) -> None:
    """Articles with the property `language`, and files of the same site that have none."""
    origin = make.uploaded(CONTENT_SCOPE)
    site = make.entity(origin, "cms_site Site", "site:blog", "Northwind blog", {"webLink": "https://blog.example"})
    make.relate(origin, somebody.account, "OWNS", site)
    for language, titles in ARTICLES.items():
        for number in range(ARTICLES_PER_TITLE * len(titles)):
            part, title = divmod(number, len(titles))
            properties: dict[str, Value] = {
                "language": language,
                "slug": f"{language}/{number:02d}",
                "published": make.likely(0.8),
                "publishedOn": make.sometimes(0.8, make.past(300)),
                "labels": make.some(("shop", "help", "news"), 2) or None,
                "tag.team": "content",
            }
            name = titles[title] if part == 0 else f"{titles[title]} ({part + 1})"
            article = make.entity(
                origin, "cms_article Document Record", f"article:{language}:{number}", name, properties
            )
            make.relate(origin, site, "HAS", article)
            make.relate(origin, make.one(somebody.everybody), "CREATED", article)
    for number in range(30):
        name = f"picture-{number:02d}.jpg"
        asset = make.entity(origin, "cms_asset DataObject", f"asset:{number}", name, {"size": 1000 + 7919 * number})
        make.relate(origin, site, "HAS", asset)
