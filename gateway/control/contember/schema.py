"""The part of Contember's tenant schema that the gateway answers; names, types and nullability are the public schema's.

Beyond it there is one word: `INVALID_ROLE` for `createGlobalApiKey`, which Contember's own server lacks, and so takes
any word for a role. What is here for clients' documents alone, and always the same, says so in its description.
"""

from __future__ import annotations

SCHEMA = '''
"""ISO 8601 in UTC, with milliseconds."""
scalar DateTime
scalar Json

type Query {
  """Whoever the API key of this call stands for."""
  me: Identity!
  """The projects that the caller may know of."""
  projects: [Project!]!
  """Null for one that there is not, and for one that the caller may not know of."""
  projectBySlug(slug: String!): Project
  projectMemberships(projectSlug: String!, identityId: String!): [Membership!]!
  """Keys of no project, those that have lost their last membership included."""
  globalApiKeys: [ApiKey!]!
}

type Mutation {
  """
  `description` is the key's name, up to 256 characters. `tokenHash` is the SHA-256 of a token of your own in 64
  lower-case hexadecimal digits; without it the answer has a token, once.
  """
  createApiKey(
    projectSlug: String!
    memberships: [MembershipInput!]!
    description: String!
    tokenHash: String
    options: CreateApiKeyOptions
  ): CreateApiKeyResponse
  createGlobalApiKey(
    description: String!
    roles: [String!]
    tokenHash: String
    options: CreateApiKeyOptions
  ): CreateApiKeyResponse
  """`id` is that of the key, not of its identity. There is no way back."""
  disableApiKey(id: String!): DisableApiKeyResponse
  addGlobalIdentityRoles(identityId: String!, roles: [String!]!): AddGlobalIdentityRolesResponse
  removeGlobalIdentityRoles(identityId: String!, roles: [String!]!): RemoveGlobalIdentityRolesResponse
  addProjectMember(
    projectSlug: String!
    identityId: String!
    memberships: [MembershipInput!]!
  ): AddProjectMemberResponse
  """The memberships take the place of those that the identity has in the project."""
  updateProjectMember(
    projectSlug: String!
    identityId: String!
    memberships: [MembershipInput!]!
  ): UpdateProjectMemberResponse
  removeProjectMember(projectSlug: String!, identityId: String!): RemoveProjectMemberResponse
}

# --- who there is

type Identity {
  id: String!
  description: String
  """Null for what is no person, and for one whom the caller may not see."""
  person: Person
  """The calling key for `me`; null for other people's identities, and for keys that the caller may not see."""
  apiKey: ApiKey
  projects: [IdentityProjectRelation!]!
  """Null where the caller may not know. Projects are made in the gateway's configuration, so nobody can here."""
  permissions: IdentityGlobalPermissions
  """Null where the caller may not know."""
  roles: [String!]
  """Always empty: login sessions are not listed."""
  sessions: [SessionInfo!]!
}

type IdentityGlobalPermissions { canCreateProject: Boolean!  canDeployEntrypoint: Boolean! }

type IdentityProjectRelation { project: Project!  memberships: [Membership!]! }

type SessionInfo {
  id: String!
  createdAt: DateTime!
  expiresAt: DateTime
  lastUsedAt: DateTime
  lastIp: String
  lastUserAgent: String
  createdIp: String
  createdUserAgent: String
  isCurrent: Boolean!
  trustForwardedClientInfo: Boolean!
}

"""People log in by one-time links, so what is about passwords, second factors and providers says no."""
type Person {
  id: String!
  email: String
  name: String
  otpEnabled: Boolean!
  passwordlessEnabled: Boolean
  emailOtpEnabled: Boolean!
  emailVerified: Boolean!
  identity: Identity!
  identityProviders: [PersonIdentityProvider!]!
}

type PersonIdentityProvider {
  id: String!
  createdAt: DateTime!
  externalIdentifier: String!
  identityProvider: IdentityProviderListItem!
}

type IdentityProviderListItem { slug: String!  type: String!  disabledAt: DateTime }

enum ApiKeyType { SESSION PERMANENT ONE_OFF }

type ApiKey {
  id: String!
  identity: Identity!
  description: String
  """`PERMANENT`: sessions are not listed, and there are no others."""
  type: ApiKeyType
  """False once the key was disabled; a key that has expired still says true."""
  enabled: Boolean
  createdAt: DateTime
  lastUsedAt: DateTime
  expiresAt: DateTime
}

# --- projects

type Project {
  """The slug: projects have no other name."""
  id: String!
  name: String!
  slug: String!
  """Always empty."""
  config: Json!
  roles: [RoleDefinition!]!
  members(
    input: ProjectMembersInput
    memberType: MemberType @deprecated(reason: "Use args")
  ): [ProjectIdentityRelation!]!
  apiKeys: [ApiKey!]!
  """Always empty."""
  secrets: [ProjectSecretInfo!]!
}

type ProjectSecretInfo { key: String!  createdAt: DateTime!  updatedAt: DateTime! }

type ProjectIdentityRelation { identity: Identity!  memberships: [Membership!]! }

input ProjectMembersInput { limit: Int  offset: Int  filter: ProjectMembersFilter }
input ProjectMembersFilter {
  memberType: MemberType
  email: [String!]
  identityId: [String!]
  personId: [String!]
}
enum MemberType { API_KEY PERSON }

type Membership { role: String!  variables: [VariableEntry!]! }
type VariableEntry { name: String!  values: [String!]! }
input MembershipInput { role: String!  variables: [VariableEntryInput!]! }
input VariableEntryInput { name: String!  values: [String!]! }

type RoleDefinition { name: String!  variables: [RoleVariableDefinition!]! }
interface RoleVariableDefinition { name: String! }
type RoleEntityVariableDefinition implements RoleVariableDefinition { name: String!  entityName: String! }
type RolePredefinedVariableDefinition implements RoleVariableDefinition { name: String!  value: String! }
"""Its values are those of a property that an object must have to be seen, one of them."""
type RoleConditionVariableDefinition implements RoleVariableDefinition { name: String! }

# --- answers to mutations

input CreateApiKeyOptions {
  """Cannot be true: the gateway takes nobody's word for where a call comes from."""
  trustForwardedClientInfo: Boolean
}

type ApiKeyWithToken {
  id: String!
  """Null where the token is your own."""
  token: String
  identity: Identity!
}

type CreateApiKeyResult { apiKey: ApiKeyWithToken! }
type CreateApiKeyResponse {
  ok: Boolean!
  errors: [CreateApiKeyError!]! @deprecated
  error: CreateApiKeyError
  result: CreateApiKeyResult
}
type CreateApiKeyError {
  code: CreateApiKeyErrorCode!
  developerMessage: String!
  membershipValidation: [MembershipValidationError!]
  endUserMessage: String @deprecated
}
enum CreateApiKeyErrorCode {
  PROJECT_NOT_FOUND
  INVALID_MEMBERSHIP
  """Of `createGlobalApiKey`."""
  INVALID_ROLE
  VARIABLE_NOT_FOUND @deprecated
  ROLE_NOT_FOUND @deprecated
  VARIABLE_EMPTY @deprecated
}
enum MembershipValidationErrorCode { ROLE_NOT_FOUND VARIABLE_NOT_FOUND VARIABLE_EMPTY VARIABLE_INVALID }
type MembershipValidationError { code: MembershipValidationErrorCode!  role: String!  variable: String }

type DisableApiKeyResponse {
  ok: Boolean!
  errors: [DisableApiKeyError!]! @deprecated
  error: DisableApiKeyError
}
type DisableApiKeyError {
  code: DisableApiKeyErrorCode!
  developerMessage: String!
  endUserMessage: String @deprecated
}
enum DisableApiKeyErrorCode { KEY_NOT_FOUND }

type AddGlobalIdentityRolesResponse {
  ok: Boolean!
  error: AddGlobalIdentityRolesError
  result: AddGlobalIdentityRolesResult
}
type AddGlobalIdentityRolesError { code: AddGlobalIdentityRolesErrorCode!  developerMessage: String! }
type AddGlobalIdentityRolesResult { identity: Identity! }
enum AddGlobalIdentityRolesErrorCode { IDENTITY_NOT_FOUND INVALID_ROLE }

type RemoveGlobalIdentityRolesResponse {
  ok: Boolean!
  error: RemoveGlobalIdentityRolesError
  result: RemoveGlobalIdentityRolesResult
}
type RemoveGlobalIdentityRolesError { code: RemoveGlobalIdentityRolesErrorCode!  developerMessage: String! }
type RemoveGlobalIdentityRolesResult { identity: Identity! }
enum RemoveGlobalIdentityRolesErrorCode { IDENTITY_NOT_FOUND INVALID_ROLE }

type AddProjectMemberResponse {
  ok: Boolean!
  errors: [AddProjectMemberError!]!
  error: AddProjectMemberError
}
type AddProjectMemberError {
  code: AddProjectMemberErrorCode!
  membershipValidation: [MembershipValidationError!]
  developerMessage: String!
  endUserMessage: String @deprecated
}
enum AddProjectMemberErrorCode {
  PROJECT_NOT_FOUND
  IDENTITY_NOT_FOUND
  ALREADY_MEMBER
  INVALID_MEMBERSHIP
  ROLE_NOT_FOUND @deprecated
  VARIABLE_EMPTY @deprecated
  VARIABLE_NOT_FOUND @deprecated
}

type UpdateProjectMemberResponse {
  ok: Boolean!
  errors: [UpdateProjectMemberError!]! @deprecated
  error: UpdateProjectMemberError
}
type UpdateProjectMemberError {
  code: UpdateProjectMemberErrorCode!
  developerMessage: String!
  membershipValidation: [MembershipValidationError!]
  endUserMessage: String @deprecated
}
enum UpdateProjectMemberErrorCode {
  PROJECT_NOT_FOUND
  NOT_MEMBER
  INVALID_MEMBERSHIP
  ROLE_NOT_FOUND @deprecated
  VARIABLE_EMPTY @deprecated
  VARIABLE_NOT_FOUND @deprecated
}

type RemoveProjectMemberResponse {
  ok: Boolean!
  errors: [RemoveProjectMemberError!]!
  error: RemoveProjectMemberError
}
type RemoveProjectMemberError {
  code: RemoveProjectMemberErrorCode!
  developerMessage: String!
  endUserMessage: String @deprecated
}
enum RemoveProjectMemberErrorCode { NOT_MEMBER PROJECT_NOT_FOUND }
'''
