"""Calls of Contember's tenant API: those of its documentation, "API keys management", and what clients of it send."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from gateway.control import Contember, FaceAnswer
from gateway.http1 import Call
from gateway.keys import Principal

# --- the calls of the documentation, byte for byte

DOCUMENTED_CREATE = """mutation {
  createApiKey(
    projectSlug: "my-blog",
    description: "User-friendly description of the key",
    memberships: [{role: "editor", variables: [{name: "language", values: ["cs"]}]}]
  ) {
    ok
    error {
      code
    }
    result {
      apiKey {
        id
        token
        identity {
          id
        }
      }
    }
  }
}
"""
DOCUMENTED_CREATE_GLOBAL = """mutation {
  createGlobalApiKey(
    description: "Global API key description",
    roles: ["super_admin", "monitor"]
  ) {
    ok
    error {
      code
    }
    result {
      apiKey {
        id
        token
        identity {
          id
        }
      }
    }
  }
}
"""
DOCUMENTED_ADD_ROLES = """mutation {
  addGlobalIdentityRoles(
    identityId: "some-identity-id",
    roles: ["super_admin", "monitor"]
  ) {
    ok
    error {
      code
    }
  }
}
"""
DOCUMENTED_REMOVE_ROLES = """mutation {
  removeGlobalIdentityRoles(
    identityId: "some-identity-id",
    roles: ["monitor"]
  ) {
    ok
    error {
      code
    }
  }
}
"""
DOCUMENTED_DISABLE = """mutation {
  disableApiKey(id: "some-api-key-id") {
    ok
  }
}
"""

# --- what the web client sends, with all that it selects

_KEY_RESULT = "result { apiKey { id token identity { id description roles } } }"
_ERROR = "ok error { code developerMessage endUserMessage }"
_MEMBERSHIP_ERROR = "ok error { code developerMessage endUserMessage membershipValidation { code role variable } }"
_MEMBER = "$projectSlug: String!, $identityId: String!"
_MEMBER_ARGUMENTS = "projectSlug: $projectSlug, identityId: $identityId"

CREATE = f"""mutation(
  $projectSlug: String!, $memberships: [MembershipInput!]!, $description: String!, $tokenHash: String,
  $options: CreateApiKeyOptions
) {{
  mutation: createApiKey(
    projectSlug: $projectSlug, memberships: $memberships, description: $description, tokenHash: $tokenHash,
    options: $options
  ) {{ {_MEMBERSHIP_ERROR} errors {{ code developerMessage endUserMessage }} {_KEY_RESULT} }}
}}"""
CREATE_GLOBAL = f"""mutation($description: String!, $roles: [String!], $tokenHash: String) {{
  mutation: createGlobalApiKey(description: $description, roles: $roles, tokenHash: $tokenHash) {{
    {_ERROR} {_KEY_RESULT}
  }}
}}"""
DISABLE = f"mutation($id: String!) {{ mutation: disableApiKey(id: $id) {{ {_ERROR} }} }}"
ADD_MEMBER, CHANGE_MEMBER = (
    f"""mutation({_MEMBER}, $memberships: [MembershipInput!]!) {{
  mutation: {name}({_MEMBER_ARGUMENTS}, memberships: $memberships) {{ {_MEMBERSHIP_ERROR} errors {{ code }} }}
}}"""
    for name in ("addProjectMember", "updateProjectMember")
)
REMOVE_MEMBER = f"mutation({_MEMBER}) {{ mutation: removeProjectMember({_MEMBER_ARGUMENTS}) {{ {_ERROR} }} }}"
ADD_ROLES, REMOVE_ROLES = (
    f"""mutation($identityId: String!, $roles: [String!]!) {{
  mutation: {name}(identityId: $identityId, roles: $roles) {{
    ok error {{ code developerMessage }} result {{ identity {{ id description roles }} }}
  }}
}}"""
    for name in ("addGlobalIdentityRoles", "removeGlobalIdentityRoles")
)

_MEMBERSHIPS = "memberships { role variables { name values } }"
_PERSON = "person { id email name otpEnabled emailOtpEnabled }"
ME = f"""query {{
  me {{
    id description roles
    {_PERSON}
    projects {{ project {{ id name slug config }} {_MEMBERSHIPS} }}
    permissions {{ canCreateProject canDeployEntrypoint }}
  }}
}}"""
MEMBERS = f"""query($projectSlug: String!, $membersInput: ProjectMembersInput) {{
  projectBySlug(slug: $projectSlug) {{
    members(input: $membersInput) {{
      identity {{ id description roles {_PERSON} apiKey {{ id }} }}
      {_MEMBERSHIPS}
    }}
  }}
}}"""
MEMBERSHIPS = f"""query({_MEMBER}) {{
  projectMemberships({_MEMBER_ARGUMENTS}) {{ role variables {{ name values }} }}
}}"""
ROLES = """query($slug: String!) {
  projectBySlug(slug: $slug) {
    roles {
      name
      variables {
        name
        __typename
        ... on RoleConditionVariableDefinition { name }
        ... on RoleEntityVariableDefinition { name entityName }
        ... on RolePredefinedVariableDefinition { name value }
      }
    }
  }
}"""
_KEY = "id description type enabled createdAt lastUsedAt expiresAt"
GLOBAL_KEYS = f"query {{ globalApiKeys {{ {_KEY} identity {{ id description roles }} }} }}"
PROJECT_KEYS = f"""query($projectSlug: String!) {{
  projectBySlug(slug: $projectSlug) {{
    apiKeys {{
      {_KEY}
      identity {{ id description roles projects {{ project {{ id name slug config }} {_MEMBERSHIPS} }} }}
    }}
  }}
}}"""


def editor(*languages: str) -> dict[str, Any]:
    """The membership of the documentation."""
    return {"role": "editor", "variables": [{"name": "language", "values": list(languages)}]}


VIEWER: dict[str, Any] = {"role": "viewer", "variables": []}
ADMIN: dict[str, Any] = {"role": "admin", "variables": []}


@dataclass(frozen=True)
class Tenant:
    """The face, called by whoever is named."""

    face: Contember

    async def send(self, actor: Principal, body: bytes) -> FaceAnswer:
        call = Call("call-1", "POST", "/tenant", "", ((b"content-type", b"application/json"),), body)
        return await self.face(call, actor, "call-1")

    async def ask(self, actor: Principal, query: str, **variables: Any) -> FaceAnswer:
        return await self.send(actor, json.dumps({"query": query, "variables": variables}).encode())

    async def data(self, actor: Principal, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = await self.ask(actor, query, **variables)
        assert answer.status == 200, answer
        assert set(answer.body) == {"data"}, answer
        data: dict[str, Any] = answer.body["data"]
        return data

    async def change(self, actor: Principal, query: str, **variables: Any) -> dict[str, Any]:
        """The payload of a mutation of the web client."""
        payload: dict[str, Any] = (await self.data(actor, query, **variables))["mutation"]
        return payload

    async def code(self, actor: Principal, query: str, **variables: Any) -> str:
        """Why a mutation was not done."""
        payload = await self.change(actor, query, **variables)
        assert payload["ok"] is False
        assert payload.get("result") is None
        code: str = payload["error"]["code"]
        return code

    async def error(self, actor: Principal, query: str, **variables: Any) -> dict[str, Any]:
        """The one error of a mutation that was forbidden, or whose input was refused."""
        answer = await self.ask(actor, query, **variables)
        assert answer.status == 200, answer
        assert answer.body["data"] == {"mutation": None}
        (error,) = answer.body["errors"]
        assert set(error) == {"message", "locations", "path", "extensions"}
        found: dict[str, Any] = error
        return found

    async def create(self, actor: Principal, *memberships: dict[str, Any], **more: Any) -> dict[str, Any]:
        """A new key of `my-blog`, unless another project is named."""
        given = {"projectSlug": "my-blog", "description": "backend ingest", "memberships": memberships} | more
        payload = await self.change(actor, CREATE, **given)
        assert payload["ok"] is True, payload
        assert payload["error"] is None
        key: dict[str, Any] = payload["result"]["apiKey"]
        return key

    async def create_global(self, actor: Principal, *roles: str, **more: Any) -> dict[str, Any]:
        payload = await self.change(actor, CREATE_GLOBAL, description="a global key", roles=roles, **more)
        assert payload["ok"] is True, payload
        key: dict[str, Any] = payload["result"]["apiKey"]
        return key
