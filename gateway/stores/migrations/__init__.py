"""The tables' history, run by Alembic: each file in `versions` makes one version from the one before it.

A migration that was released is never changed. It uses no tables of the code, which go on changing, but its own.
"""
