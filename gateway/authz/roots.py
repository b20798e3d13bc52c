"""The table root field -> action and resource, for `/graphql`.

Facts: the twelve actions are JupiterOne's ("Creating User and Account API Keys"), root fields and arguments are those
of the schema in its public Go client. No public source maps fields to actions but for one sentence (only `/j1ql`
supports `query:ReadGraphData`), so each row of ROOTS is our reading of the two names. A field without a row is
unknown: it needs everything (`*` on `*`) and a policy without any DENY, because nobody can say what a DENY would have
meant for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Needs:
    """One permission that a field needs.

    `resource` is `*`, or `type:{argument}` with the dotted path of the argument that names the resource;
    `{@organization}` stands for the caller's own organization. An absent argument stands for `*`.
    """

    action: str
    resource: str = "*"


def _dashboard(argument: str = "dashboardId") -> tuple[Needs, ...]:
    return (Needs("dashboard:View", f"dashboard:{{{argument}}}"),)


def _raw_data(argument: str = "entityId") -> tuple[Needs, ...]:
    return (Needs("persister:GetEntityRawData", f"entity:{{{argument}}}"),)


ROOTS: dict[str, tuple[Needs, ...]] = {
    "accountEntity": (Needs("query:GetAccountEntity", "account:{@organization}"),),
    "complianceFramework": (Needs("compliance:GetStandard", "compliance-standard:{input.id}"),),
    "complianceFrameworks": (Needs("compliance:GetStandard"),),
    "dashboardParameter": (
        Needs("dashboard:View"),
    ),  # its `id` is the parameter's; of which dashboard, it does not say
    "deleteParameter": (Needs("parameters:DeleteParameter", "parameter:{name}"),),
    "entityRawData": _raw_data(),
    "entityRawDataLegacy": _raw_data(),
    "entityRawDataVersions": _raw_data(),
    "entityRawDataVersionsLegacy": _raw_data(),
    "getDashboard": _dashboard(),
    "getDashboardLayoutSettings": _dashboard(),
    "getDashboardTemplates": (Needs("dashboard:View"),),
    "getDashboardWidgetSettings": _dashboard(),
    "getDashboards": (Needs("dashboard:View"),),
    "getSettings": (Needs("settings:GetSettings", "settings-category:{category}"),),
    "getWidget": _dashboard("boardId"),
    "parameter": (Needs("parameters:GetParameter", "parameter:{name}"),),
    "parameterList": (Needs("parameters:GetParameterList"),),
    "setParameter": (Needs("parameters:SetParameter", "parameter:{name}"),),
}

ORGANIZATION = "@organization"
"""What stands in a template's braces for the caller's own organization."""

COMPLIANCE = "compliance:"

_RESULT = re.compile(r"summary|evaluationresult|auditstatus", re.IGNORECASE)
_EVIDENCE = re.compile(r"evidence|libraryitem|questionevaluation", re.IGNORECASE)


def asks_for_results(below: Iterable[str]) -> bool:
    """Whether any of these fields of a standard tells how far it is met; that needs `compliance:GetSummary` as well."""
    return any(map(_RESULT.search, below))


def asks_for_evidence(below: Iterable[str]) -> bool:
    """Whether any of these fields of a standard leads to what its queries found, which is data of the graph."""
    return any(map(_EVIDENCE.search, below))


INTROSPECTION: frozenset[str] = frozenset({"__schema", "__type"})
"""About the upstream's schema, and about no data."""

QUERIES: frozenset[str] = frozenset({"queryV1", "queryV1Tree", "queryV2"})
"""Fields that take a query, as `/j1ql` does."""

GRAPH: frozenset[str] = QUERIES | frozenset(
    """
    j1qlFromNaturalLanguage
    vertex edge queryGraph listVertices listVerticesV2 fetchEntityById fetchEntityContributionsById
    fetchRelationshipById entityCount typeCounts allEntityCounts getEntityCounts entityProperties entityPropertyValues
    getAllAssetProperties assetCategories queryRelatedEntities queryProperties queryPropertiesForMultipleSources
    queryRelationships queryRelationshipsForMultipleSources queryUniqueRelationships buildCsv buildJson
    evaluateQuestion listCollectionResults listAlertInstances listAlertInstancesInCreatedOnDateRange alertInstance
    countAlertInstances findSimilarQuestions ruleEvaluationDetails evaluateRuleInstance evaluateAlertRules
    getDashboardQueryWidgetData getDashboardQuestionWidgetData getPaginatedQueryWidgetData complianceFrameworkItem
    complianceLibraryItem complianceLibraryItems entityRawDataV2
    """.split()
)
"""Fields that read graph data past `/j1ql`, stored results of unrestricted queries among them: they need everything,
and no DENY that covers the graph. (The raw data of entityRawDataV2 is found by an `address` that need not be the
entity's.)"""

ADDRESSES: dict[str, str] = {
    "accountEntity": "url",
    "buildCsv": "stateFileUrl",
    "buildJson": "stateFileUrl",
    "queryV1": "url",
    "queryV2": "url",
}
"""Fields whose answers may have the address of a result that was put aside, and the member that has it."""

OURS: frozenset[str] = frozenset(
    """
    createToken revokeToken token tokens createCurrentUserToken createIntegrationInstanceToken integrationInstanceTokens
    revokeIntegrationInstanceToken
    createIamGroup updateIamGroup deleteIamGroup iamSetGroup iamDeleteGroup iamAddGroupUsers iamDeleteGroupUsers
    addIamUserToGroupByEmail removeIamUserFromGroupByEmail iamGetGroup iamGetGroupList iamGroups iamGroupUsers
    iamGroupQueryPolicy iamGetUser iamGetUserList iamGetCurrentUser iamDeleteUser
    iamGetAccount invite updateInvitation getAuditEventsForAccount
    tokenRateLimits accountRateLimits
    """.split()
)
"""Answered by the control plane; `keys` decides, never a policy."""

KEYS_DECIDE: frozenset[str] = frozenset(
    """
    iamAccountQueryPolicies iamAddUserToGroups iamDeleteAccountIdentityProvider iamDeleteUserFromGroups
    iamGetAccountList iamGetGroupBatch iamGetUserBatch iamSetAccount iamSetUser updateCurrentUser invitations inviteUser
    setAccountAccessPolicy setAccountIdentityProvider setResourcePermission deleteResourcePermission
    getResourcePermissions resourceGroup resourceGroups createResourceGroup updateResourceGroup deleteResourceGroup
    getUserInternalBoardAccess
    """.split()
)
"""About keys, users, groups and rights as well, and not answered here: nobody gets an answer, because the upstream's
own would speak of credentials and people that are not the gateway's."""

NEVER: frozenset[str] = frozenset(
    """
    createPublicSharedUrl listSharedDashboardTokens revokeSharedDashboardToken publishDashboard invokeExportDashboardPdf
    getPresignedDashboardDataUrl getRawDataDownloadUrl getRawResultPresignedDownloadUrl
    downloadLinkForEvidenceCollectionJob downloadLinkForExternalUpload downloadLinkForFrameworkSummaryEvidence
    createExternalUpload createExternalUploadEvidence replaceExternalUpload updateExternalUploadEvidence
    confirmExternalUpload integrationFileTransferUploadUrl zipPolicies getZipState generateExternalId
    getPolicyHistoryForAccount
    """.split()
)
"""Fields that hand out an upstream credential or a public URL: forwarded for no key, whatever its policy."""

NEVER_BELOW: dict[str, str] = {"inAppNotifications": "downloadLink", "readNotification": "downloadLink"}
"""Fields that hand out a public URL as one of many things, and the name under which they do: not with that."""
