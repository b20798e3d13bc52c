"""The part of the platform's GraphQL schema that this gateway answers itself.

Names, arguments and types are those of the schema in JupiterOne's public Go client, with what its Terraform provider
asks for since: `id` of groups and invitations, `groupNameFilter`, `emailFilter`, `userGroups` of listed users, `invite`
and `accountInvitations`. Three things differ, on purpose:

- Every root field is nullable, so that an error in one of several does not take away the secret that another has just
  made. So is an `expiresAt` where a key may have no end.
- Fields that we could not answer truthfully, such as an account's owner or the metrics of a rate limit, are left out:
  asking is a validation error.
- Ours are `expiresInDays`, `expiresAt` and `rateLimit` of TokenInput, `rateLimit`, `quota` and `concurrentCalls` of
  IamToken, and `apiKeyAccess` of a user.
"""

from __future__ import annotations

from typing import Any

from graphql import GraphQLError, GraphQLScalarType, GraphQLSchema, build_schema

from gateway.control.jupiterone import limits

SCHEMA = '''
"""A whole number of up to 53 bits; times are milliseconds since the epoch."""
scalar Long

"""Any JSON value."""
scalar JSON

type Query {
  token(id: ID!): IamToken
  """`limit` is 100 unless given, and 1,000 at most; so it is for all keys and users."""
  tokens(search: ListIamTokenInput, limit: Int, cursor: String): IamTokenPage
  integrationInstanceTokens(id: String!, cursor: String, limit: Int): ListIntegrationInstanceTokensResult

  """`group` is the group's id."""
  iamGetGroup(group: String!): IamGroupNode
  """`groupNameFilter` is a part of the name, in any letter case. `limit` is 10,000 at most; so it is for all groups."""
  iamGetGroupList(limit: Int!, cursor: String, groupNameFilter: String): IamGroupPage
  iamGroups(limit: Int!, cursor: String): V1GroupsPagedResponse
  iamGroupUsers(groupId: String!, limit: Int!, cursor: String): V1UsersPagedResponse
  iamGroupQueryPolicy(groupId: String!): V1GroupQueryPolicyResponse

  """`user` is the user's id or email address."""
  iamGetUser(user: String!): IamAccountUserNode
  """`emailFilter` is a whole email address, in any letter case."""
  iamGetUserList(limit: Int!, cursor: String, emailFilter: String): IamAccountUserPage
  iamGetCurrentUser: IamAccountUserNode
  iamGetAccount: IamAccountNode
  getAuditEventsForAccount(limit: Int, cursor: String): GetAuditEventsForAccountOutput
}

type Mutation {
  """An account key, by either of the two inputs."""
  createToken(input: CreateIamTokenInput, token: TokenInput): IamToken
  revokeToken(id: String!): IamToken
  """A key of the user who asks."""
  createCurrentUserToken(input: CreateCurrentUserTokenInput!): IamToken
  """`id` is that of an integration instance: a configuration of an integration."""
  createIntegrationInstanceToken(id: String!): IntegrationInstanceToken
  revokeIntegrationInstanceToken(tokenId: String!): DeletionResult

  createIamGroup(name: String!, description: String, abacPermissions: [String!], queryPolicy: [JSON!]): V1Group
  """What is given replaces what was there. An explicit null empties, what is left out stays."""
  updateIamGroup(
    id: String!, name: String, description: String, abacPermissions: [String!], queryPolicy: [JSON!]
  ): V1Group
  deleteIamGroup(name: String!): SuccessStatusResult
  """Makes a group where there is no `groupId`, else changes it; `groupUsers` replaces all of its users."""
  iamSetGroup(input: SetGroupInput!): IamGroupNode
  iamDeleteGroup(input: DeleteGroupInput!): DeleteInfo
  iamAddGroupUsers(input: AddGroupUsersInput!): IamGroupNode
  iamDeleteGroupUsers(input: DeleteGroupUsersInput!): DeleteInfo
  addIamUserToGroupByEmail(userEmail: String!, groupId: String!): SuccessStatusResult
  removeIamUserFromGroupByEmail(userEmail: String!, groupId: String!): SuccessStatusResult
  """Ends a user and their user keys, for ever."""
  iamDeleteUser(input: DeleteAccountUserInput!): DeleteInfo
  """A place in a group: at once, also for somebody who has no user yet and then gets one. Nothing is mailed."""
  invite(input: InviteInput!): IamInvitation
  """REVOKED takes a place in a group away from somebody who has never logged in."""
  updateInvitation(input: IamInvitationPatch!): IamInvitation
}

type PageInfo {
  endCursor: String
  hasNextPage: Boolean!
}

# --- keys

"""ACCOUNT: keys of the account, limited by a policy or not. RESOURCE: of an integration. USER_API: of a user."""
enum IamTokenType { ACCOUNT RESOURCE USER_API }

"""One of `expiresInDays` and `expiresAt`, or neither for the default."""
input TokenInput {
  name: String
  category: String
  policy: String
  expiresInDays: Int
  expiresAt: Long
  rateLimit: SetRateLimitPolicyOptions
}

"""For type ACCOUNT alone; `subject` is the account, the caller's own unless given."""
input CreateIamTokenInput { type: IamTokenType!  subject: String  name: String  expiresAt: Long  policy: String! }

input CreateCurrentUserTokenInput { name: String!  expiresAt: Long! }

"""`subject` is that of the keys: an account, an integration instance or a user."""
input ListIamTokenInput { type: IamTokenType!  subject: String  subjectBeginsWith: String }

type IamToken {
  id: ID!
  """The secret in the answer that made the key; ever after how it starts."""
  secret: String!
  """The secret in the answer that made the key; null ever after."""
  token: String
  category: String
  """An account, an integration instance or a user, by `type`."""
  subject: String!
  type: IamTokenType!
  name: String!
  accountId: String
  username: String
  email: String
  userId: String
  policy: String
  revoked: Boolean!
  """Null for a key without an end, as those of integrations are."""
  expiresAt: Long
  createdAt: Long!
  csrf: String
  """The key's own; null where it has none. So it is for the other two."""
  rateLimit: RateLimitPolicy
  quota: CallQuota
  """Calls under way at once."""
  concurrentCalls: Int
}

type IamTokenPage {
  items: [IamToken!]!
  """The same as `items`."""
  tokens: [IamToken!]
  pageInfo: PageInfo!
}

type IntegrationInstanceToken {
  tokenId: String!
  """The secret in the answer that made the key; ever after how it starts."""
  token: String!
  createdAt: Long!
  expiresAt: Long
}

type ListIntegrationInstanceTokensResult {
  """Revoked ones are left out."""
  tokens: [IntegrationInstanceToken!]!
  pageInfo: PageInfo!
}

type DeletionResult { success: Boolean }

type IamApiKeyMasked { id: ID!  name: String!  dateExpires: Long! }

type IamApiKeysPage {
  items: [IamApiKeyMasked]!
  pageInfo: PageInfo!
}

# --- groups

type IamGroupNode {
  id: ID!
  accountId: ID!
  groupId: ID!
  groupName: ID!
  groupDescription: String
  status: String!
  groupUsers(limit: Int!, cursor: String): IamAccountUserPage
  groupQueryPolicy: IamQueryPolicy
  groupAbacPermission: IamAbacPermission
  _timeCreated: String
  _timeUpdated: String
}

type IamGroup {
  id: ID!
  accountId: ID!
  groupId: ID!
  groupName: String!
  groupDescription: String
  groupQueryPolicy: IamQueryPolicy
  groupAbacPermission: IamAbacPermission
  status: String!
  _timeCreated: String
  _timeUpdated: String
}

type IamGroupPage {
  items: [IamGroup!]!
  pageInfo: PageInfo!
}

"""Filters, of which one must hold: each an object of property -> list of values."""
type IamQueryPolicy {
  accountId: ID!
  groupId: ID!
  statement: [JSON]
  _timeCreated: String
  _timeUpdated: String
}

type IamAbacPermission { subject: String!  statement: [String!]! }

type V1Group { id: String!  name: String!  description: String }

type V1GroupsPagedResponse {
  items: [V1Group!]!
  pageInfo: PageInfo!
}

type V1User { id: String!  email: String }

type V1UsersPagedResponse {
  items: [V1User!]!
  pageInfo: PageInfo!
}

type V1GroupQueryPolicyResponse { id: String!  queryPolicy: [JSON]! }

input SetGroupInput {
  groupId: ID
  groupName: ID
  groupDescription: String
  groupQueryPolicy: JSON
  groupAbacPermission: [String!]
  groupUsers: [String!]
}

input DeleteGroupInput { group: String! }

"""`users` are ids or email addresses."""
input AddGroupUsersInput { group: ID!  users: [String!]! }

"""`users` are ids or email addresses."""
input DeleteGroupUsersInput { group: ID!  users: [String!]! }

type SuccessStatusResult { success: Boolean! }

type DeleteInfo { success: Boolean! }

# --- users

interface IAccountUser {
  id: ID!
  email: ID!
  userId: ID!
  accountId: String!
  nickName: String!
  username: String
  firstName: String
  lastName: String
  lastLogin: String
  previousLogin: String
  status: String
  _timeCreated: String
  _timeUpdated: String
}

type IamAccountUserNode implements IAccountUser {
  id: ID!
  email: ID!
  userId: ID!
  accountId: String!
  nickName: String!
  username: String
  firstName: String
  lastName: String
  lastLogin: String
  previousLogin: String
  """Whether the user may have API keys, and so whether a profile offers them."""
  apiKeyAccess: Boolean!
  userAbacPermission: IamAbacPermission
  userGroups(limit: Int!, cursor: String): IamGroupPage
  userApiKeys(limit: Int!, cursor: String): IamApiKeysPage
  tokens(limit: Int, cursor: String): IamTokenPage
  status: String
  profilePicture: String
  _timeCreated: String
  _timeUpdated: String
}

type IamAccountUser implements IAccountUser {
  id: ID!
  email: ID!
  userId: ID!
  accountId: String!
  nickName: String!
  username: String
  firstName: String
  lastName: String
  lastLogin: String
  previousLogin: String
  apiKeyAccess: Boolean!
  userAbacPermission: IamAbacPermission
  userGroups(limit: Int!, cursor: String): IamGroupPage
  status: String
  _timeCreated: String
  _timeUpdated: String
}

type IamAccountUserPage {
  items: [IamAccountUser!]!
  pageInfo: PageInfo!
}

"""`user` is an id or an email address."""
input DeleteAccountUserInput { user: ID! }

# --- the account

type IamAccountNode {
  id: ID!
  accountId: ID!
  accountSubdomain: String!
  accountName: String!
  """These are the platform's own business: always null."""
  accountOwner: String
  accountType: String
  accountLogoUrl: String
  status: String!
  accountUsers(limit: Int!, cursor: String): IamAccountUserPage
  accountGroups(limit: Int!, cursor: String): IamGroupPage
  """The places in groups of users who have never logged in."""
  accountInvitations(limit: Int!, cursor: String): IamInvitationPage
}

enum IamInvitationStatus { ACCEPTED REJECTED REVOKED }

input InviteInput { email: String!  groupId: String! }

input IamInvitationPatch { invitationId: ID!  status: IamInvitationStatus! }

type IamInvitation {
  id: ID!
  invitationId: ID!
  userId: ID!
  email: String!
  accountId: ID!
  groupId: ID!
  groupName: String!
  """PENDING, ACCEPTED (the user has logged in) or REVOKED."""
  status: String!
}

type IamInvitationPage {
  items: [IamInvitation!]!
  pageInfo: PageInfo!
}

type HistoryItem {
  id: String!
  resourceType: String!
  resourceId: String!
  category: String!
  timestamp: Long!
  performedByUserId: String
  data: JSON!
}

type GetAuditEventsForAccountOutput {
  items: [HistoryItem!]!
  pageInfo: PageInfo!
}
'''

_LONGEST = 2**53
"""JSON's numbers are exact up to here in every client."""


def _long(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LONGEST:
        return value
    raise GraphQLError("Long cannot represent a value that is no whole number of up to 53 bits")


def schema() -> GraphQLSchema:
    """The schema, ready to execute. Values come from `gateway.control.jupiterone`."""
    built = build_schema(SCHEMA + limits.SCHEMA)
    long = built.type_map["Long"]
    assert isinstance(long, GraphQLScalarType)  # noqa: S101 (it is in the text above)
    long.coerce_input_value = long.coerce_output_value = _long
    return built
