"""Documents as the platform's clients send them: which fields and arguments they ask for, and the shapes they read.

The Terraform provider's are those of its resources for user groups and their members; the others are the calls of the
API's documentation. Names, values and wording are ours.
"""

from __future__ import annotations

TERRAFORM = {
    "CreateUserGroup": """
mutation CreateUserGroup ($name: String!, $description: String, $queryPolicy: [JSON!], $abacPermissions: [String!]) {
	createIamGroup(
		name: $name, description: $description, queryPolicy: $queryPolicy, abacPermissions: $abacPermissions
	) {
		id
	}
}
""",
    "UpdateUserGroup": """
mutation UpdateUserGroup (
	$id: String!, $name: String, $description: String, $queryPolicy: [JSON!], $abacPermissions: [String!]
) {
	updateIamGroup(
		id: $id, name: $name, description: $description, queryPolicy: $queryPolicy, abacPermissions: $abacPermissions
	) {
		id
	}
}
""",
    "DeleteUserGroup": """
mutation DeleteUserGroup ($name: String!) {
	deleteIamGroup(name: $name) {
		success
	}
}
""",
    "GetUserGroup": """
query GetUserGroup ($id: String!) {
	iamGetGroup(group: $id) {
		id
		groupName
		groupDescription
		groupQueryPolicy {
			statement
		}
		groupAbacPermission {
			statement
		}
	}
}
""",
    "GetGroupsByName": """
query GetGroupsByName ($name: String!) {
	iamGetGroupList(limit: 10000, groupNameFilter: $name) {
		items {
			id
			groupName
			groupDescription
			status
			groupQueryPolicy {
				statement
			}
			groupAbacPermission {
				statement
			}
		}
		pageInfo {
			endCursor
			hasNextPage
		}
	}
}
""",
    "InviteUser": """
mutation InviteUser ($email: String!, $groupId: String!) {
	invite(input: {email:$email,groupId:$groupId}) {
		id
	}
}
""",
    "GetUsersByEmail": """
query GetUsersByEmail ($email: String!) {
	iamGetUserList(emailFilter: $email, limit: 1000) {
		items {
			id
			email
			nickName
			firstName
			lastName
			userGroups(limit: 3000) {
				items {
					id
				}
				pageInfo {
					endCursor
				}
			}
			_timeCreated
			_timeUpdated
		}
	}
}
""",
    "RemoveUserFromGroup": """
mutation RemoveUserFromGroup ($userId: String!, $groupId: ID!) {
	iamDeleteGroupUsers(input: {group:$groupId,users:[$userId]}) {
		success
	}
}
""",
    "GetInvitations": """
query GetInvitations {
	iamGetAccount {
		id
		accountInvitations(limit: 10000) {
			items {
				id
				groupId
				email
				status
			}
			pageInfo {
				endCursor
			}
		}
	}
}
""",
    "RevokeInvitation": """
mutation RevokeInvitation ($id: ID!) {
	updateInvitation(input: {invitationId:$id,status:REVOKED}) {
		id
		status
	}
}
""",
}  # fmt: skip
"""As its generated client prints them, with tabs; long lines are ours to break."""

DOCUMENTED = {
    "CreateToken": """mutation CreateToken($token: TokenInput!) { createToken(token: $token) {
      secret id name category policy revoked createdAt expiresAt __typename } }""",
    "RevokeToken": """mutation RevokeToken($id: String!) { revokeToken(id: $id) {
      id name category policy revoked createdAt expiresAt __typename } }""",
    "iamGroups": """query Query($limit: Int!, $cursor: String) { iamGroups(limit: $limit, cursor: $cursor) {
      items { id name description } pageInfo { endCursor hasNextPage } } }""",
    "iamGroupUsers": """query Query($groupId: String!, $limit: Int!, $cursor: String) {
      iamGroupUsers(groupId: $groupId, limit: $limit, cursor: $cursor) {
        items { id email } pageInfo { endCursor hasNextPage } } }""",
    "addIamUserToGroupByEmail": """mutation Mutation($groupId: String!, $userEmail: String!) {
      addIamUserToGroupByEmail(groupId: $groupId, userEmail: $userEmail) { success } }""",
    "removeIamUserFromGroupByEmail": """mutation Mutation($groupId: String!, $userEmail: String!) {
      removeIamUserFromGroupByEmail(groupId: $groupId, userEmail: $userEmail) { success } }""",
    "createIamGroup": """mutation Mutation(
        $name: String!, $description: String, $abacPermissions: [String!], $queryPolicy: [JSON!]) {
      createIamGroup(
        name: $name, description: $description, abacPermissions: $abacPermissions, queryPolicy: $queryPolicy
      ) { id name description } }""",
    "updateIamGroup": """mutation Mutation(
        $id: String!, $name: String, $description: String, $abacPermissions: [String!], $queryPolicy: [JSON!]) {
      updateIamGroup(
        id: $id, name: $name, description: $description, abacPermissions: $abacPermissions, queryPolicy: $queryPolicy
      ) { id name description } }""",
    "GetAuditEventsForAccount": """query GetAuditEventsForAccount($limit: Int, $cursor: String) {
      getAuditEventsForAccount(limit: $limit, cursor: $cursor) {
        items { id resourceType resourceId category timestamp performedByUserId data }
        pageInfo { endCursor hasNextPage } } }""",
}
