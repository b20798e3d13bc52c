"""What cannot be taken back asks first."""

from __future__ import annotations

import json


def test_137_a_key_is_revoked_only_when_that_is_confirmed(operate):
    assert operate("keys", "create", "--name", "mine", "--user", "admin@example.com").exit_code == 0

    def states():
        lines = operate("keys", "list", "--json").stdout.splitlines()
        return {key["id"]: key["state"] for key in map(json.loads, lines)}

    ((key, state),) = states().items()
    assert state == "live"
    for answer in ("n\n", "\n", ""):
        assert operate("keys", "revoke", key, answer=answer).exit_code == 1
        assert states() == {key: "live"}
    assert operate("keys", "revoke", key, "--yes").exit_code == 0
    assert states() == {key: "revoked"}
