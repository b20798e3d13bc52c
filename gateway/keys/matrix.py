"""Who may do what about keys, as one table: a row for each operation, a column for each standing.

The levels are those of the Rapid7 documentation, "Managing Platform API Keys": a platform administrator manages the
keys of all organizations, an organization administrator those of their own, a user their own, and nobody generates a
user key for somebody else. Account and integration keys need an administrator (JupiterOne documentation, "Creating
User and Account API Keys"). Projects and global roles are Contember's.

A key that stands for no user manages no keys, even with a policy that allows everything, so that a leaked one cannot
mint its successors; but every key may end itself. Whether an organization's key is such a key is a switch.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto

from gateway.keys.model import GlobalRole, Kind


class Standing(Enum):
    """What a caller is; somebody can be several of these, and may do what any of them may."""

    OPERATOR = auto()
    """Whoever has the command line. Unlike any caller they may make a user's key: they could let themselves in."""
    PLATFORM_ADMIN = auto()
    """A user of that role, or an identity with the global role `super_admin`."""
    ORGANIZATION_ADMIN = auto()
    USER = auto()
    GLOBAL_PROJECT_ADMIN = auto()
    """An identity with the global role `project_admin`."""
    PROJECT_ADMIN = auto()
    """An identity with the role `admin` in some project."""
    MONITOR = auto()
    """An identity with the global role `monitor`: sees everything, changes nothing."""
    MANAGING_KEY = auto()
    """An organization's key where those may manage keys."""


class Reach(IntEnum):
    """Whose."""

    NONE = 0
    OWN = 1
    PROJECT = 2
    ORGANIZATION = 3
    ALL = 4


class Operation(Enum):
    MANAGE_PEOPLE = auto()
    """Users, groups and the groups' switch for API keys, and an organization's maximum lifetime."""
    SEE_PEOPLE = auto()
    CREATE_USER_KEY = auto()
    CREATE_ORGANIZATION_KEY = auto()
    CREATE_ACCOUNT_KEY = auto()
    CREATE_INTEGRATION_KEY = auto()
    CREATE_PROJECT_KEY = auto()
    CREATE_GLOBAL_KEY = auto()
    EDIT_GLOBAL_ROLES = auto()
    EDIT_MEMBERSHIPS = auto()
    SEE_USER_KEYS = auto()
    SEE_MACHINE_KEYS = auto()
    """Those of organizations, accounts and integrations."""
    SEE_PROJECT_KEYS = auto()
    SEE_GLOBAL_KEYS = auto()
    REVOKE_USER_KEYS = auto()
    REVOKE_MACHINE_KEYS = auto()
    REVOKE_PROJECT_KEYS = auto()
    REVOKE_GLOBAL_KEYS = auto()
    LIMIT_USER_KEYS = auto()
    """How much they may call. Whoever could make a key limits it, but a user's keys are not limited by the user."""
    LIMIT_MACHINE_KEYS = auto()
    LIMIT_PROJECT_KEYS = auto()
    LIMIT_GLOBAL_KEYS = auto()
    SEE_ORGANIZATION_LIMITS = auto()
    LIMIT_ORGANIZATIONS = auto()
    """How much all keys of an organization together may call."""
    READ_AUDIT = auto()


_COLUMNS = tuple(Standing)
_REACHES = {".": Reach.NONE, "own": Reach.OWN, "project": Reach.PROJECT, "org": Reach.ORGANIZATION, "all": Reach.ALL}


def _row(words: str) -> dict[Standing, Reach]:
    return dict(zip(_COLUMNS, (_REACHES[word] for word in words.split()), strict=True))


MATRIX: dict[Operation, dict[Standing, Reach]] = {
    #                                          oper. platf. org. user gl.proj. project monitor managing
    Operation.MANAGE_PEOPLE:           _row("    all   all   org   .      .       .      .      ."),
    Operation.SEE_PEOPLE:              _row("    all   all   org  own     .       .     all     ."),
    Operation.CREATE_USER_KEY:         _row("    all   own   own  own     .       .      .      ."),
    Operation.CREATE_ORGANIZATION_KEY: _row("    all   all   org   .      .       .      .     org"),
    Operation.CREATE_ACCOUNT_KEY:      _row("    all   all   org   .      .       .      .     org"),
    Operation.CREATE_INTEGRATION_KEY:  _row("    all   all   org   .      .       .      .     org"),
    Operation.CREATE_PROJECT_KEY:      _row("    all   all   org   .     all   project   .     org"),
    Operation.CREATE_GLOBAL_KEY:       _row("    all   all    .    .     all      .      .      ."),
    Operation.EDIT_GLOBAL_ROLES:       _row("    all   all    .    .     all      .      .      ."),
    Operation.EDIT_MEMBERSHIPS:        _row("    all   all   org   .     all   project   .     org"),
    Operation.SEE_USER_KEYS:           _row("    all   all   org  own     .       .     all     ."),
    Operation.SEE_MACHINE_KEYS:        _row("    all   all   org   .      .       .     all    org"),
    Operation.SEE_PROJECT_KEYS:        _row("    all   all   org   .     all   project  all    org"),
    Operation.SEE_GLOBAL_KEYS:         _row("    all   all    .    .      .       .     all     ."),
    Operation.REVOKE_USER_KEYS:        _row("    all   all   org  own     .       .      .      ."),
    Operation.REVOKE_MACHINE_KEYS:     _row("    all   all   org   .      .       .      .     org"),
    Operation.REVOKE_PROJECT_KEYS:     _row("    all   all   org   .     all   project   .     org"),
    Operation.REVOKE_GLOBAL_KEYS:      _row("    all   all    .    .     all      .      .      ."),
    Operation.LIMIT_USER_KEYS:         _row("    all   all   org   .      .       .      .      ."),
    Operation.LIMIT_MACHINE_KEYS:      _row("    all   all   org   .      .       .      .     org"),
    Operation.LIMIT_PROJECT_KEYS:      _row("    all   all   org   .     all   project   .     org"),
    Operation.LIMIT_GLOBAL_KEYS:       _row("    all   all    .    .     all      .      .      ."),
    Operation.SEE_ORGANIZATION_LIMITS: _row("    all   all   org   .      .       .     all    org"),
    Operation.LIMIT_ORGANIZATIONS:     _row("    all   all    .    .      .       .      .      ."),
    Operation.READ_AUDIT:              _row("    all   all   org  own     .       .     all     ."),
}  # fmt: skip
"""`GLOBAL_PROJECT_ADMIN` deals in the global roles of GRANTABLE only, and nobody gives or takes more than they have."""

GRANTABLE = frozenset({GlobalRole.LOGIN, GlobalRole.PROJECT_ADMIN, GlobalRole.ENTRYPOINT_DEPLOYER})
"""The global roles that `project_admin` may give and take; a platform administrator deals in all."""

CREATING = {
    Kind.USER: Operation.CREATE_USER_KEY,
    Kind.ORGANIZATION: Operation.CREATE_ORGANIZATION_KEY,
    Kind.ACCOUNT: Operation.CREATE_ACCOUNT_KEY,
    Kind.INTEGRATION: Operation.CREATE_INTEGRATION_KEY,
    Kind.PROJECT: Operation.CREATE_PROJECT_KEY,
    Kind.GLOBAL: Operation.CREATE_GLOBAL_KEY,
}
SEEING = {
    Kind.USER: Operation.SEE_USER_KEYS,
    Kind.ORGANIZATION: Operation.SEE_MACHINE_KEYS,
    Kind.ACCOUNT: Operation.SEE_MACHINE_KEYS,
    Kind.INTEGRATION: Operation.SEE_MACHINE_KEYS,
    Kind.PROJECT: Operation.SEE_PROJECT_KEYS,
    Kind.GLOBAL: Operation.SEE_GLOBAL_KEYS,
}
REVOKING = {
    Kind.USER: Operation.REVOKE_USER_KEYS,
    Kind.ORGANIZATION: Operation.REVOKE_MACHINE_KEYS,
    Kind.ACCOUNT: Operation.REVOKE_MACHINE_KEYS,
    Kind.INTEGRATION: Operation.REVOKE_MACHINE_KEYS,
    Kind.PROJECT: Operation.REVOKE_PROJECT_KEYS,
    Kind.GLOBAL: Operation.REVOKE_GLOBAL_KEYS,
}
LIMITING = {
    Kind.USER: Operation.LIMIT_USER_KEYS,
    Kind.ORGANIZATION: Operation.LIMIT_MACHINE_KEYS,
    Kind.ACCOUNT: Operation.LIMIT_MACHINE_KEYS,
    Kind.INTEGRATION: Operation.LIMIT_MACHINE_KEYS,
    Kind.PROJECT: Operation.LIMIT_PROJECT_KEYS,
    Kind.GLOBAL: Operation.LIMIT_GLOBAL_KEYS,
}
