"""The part of the platform's GraphQL schema that the sandbox serves: large enough to try every permission on.

Names and shapes are from JupiterOne's published schema and from the documents that its clients send.
"""

from __future__ import annotations

import graphql

from gateway.sandbox.graph_schema import GRAPH_READS, STORED_RESULTS

_ACCOUNT = """
  scalar JSON
  scalar Long
  scalar ParameterValue

  enum DeferredResponseOption { DISABLED OPTIONAL FORCE }
  enum DeferredResponseFormat { JSON CSV }
  enum ComplianceFrameworkType { BENCHMARK QUESTIONNAIRE STANDARD }

  input QueryV1Flags { computedProperties: Boolean, rowMetadata: Boolean, variableResultSize: Boolean }
  input SourceMetadataInput { appName: String, appVersion: String, resourceType: String, resourceId: String }
  input ComplianceFrameworkInput { id: ID! }

  type PageInfo { endCursor: String, hasNextPage: Boolean! }

  type QueryV1Response {
    type: String!
    data: JSON
    url: String
    totalCount: Long
    cursor: String
    correlationId: String
  }

  type QueryV2Response { type: String!, url: String, correlationId: String }

  type ParameterResponse { name: String!, value: ParameterValue!, lastUpdatedOn: String!, secret: Boolean! }
  type ParameterListPagedResponse { items: [ParameterResponse!]!, pageInfo: PageInfo! }
  type ParameterMutationResult { success: Boolean! }
  type GetSettingsResult { resourceType: String!, resourceId: String!, category: String!, data: JSON }
  type SetSettingsResult { resourceType: String!, resourceId: String!, category: String!, resultCode: String! }

  type IamAccountNode {
    id: ID!
    accountId: ID!
    accountSubdomain: String!
    accountName: String!
    accountType: String!
    status: String!
    _timeCreated: String
  }

  type ComplianceFrameworkGapAnalysis { id: ID!, fulfilled: Int!, gapDetected: Int!, unknown: Int! }
  type ComplianceFrameworkSummary {
    id: ID!
    totalFrameworkItems: Int!
    gapAnalysisSummary: ComplianceFrameworkGapAnalysis!
  }
  type ComplianceFramework {
    id: ID!
    accountId: ID!
    name: String!
    version: String!
    frameworkType: ComplianceFrameworkType!
    createTimestamp: Long!
    summary: ComplianceFrameworkSummary
  }
  type ComplianceFrameworks { standards: [ComplianceFramework!]! }

  type IntegrationInstance {
    id: ID!
    name: String!
    accountId: String!
    integrationDefinitionId: String!
    integrationType: String!
  }
  type ListIntegrationInstancesResult { instances: [IntegrationInstance]!, pageInfo: PageInfo! }

  type Query {
    queryV1(
      query: String!, variables: JSON, dryRun: Boolean, deferredResponse: DeferredResponseOption,
      deferredFormat: DeferredResponseFormat, remember: Boolean, includeDeleted: Boolean, flags: QueryV1Flags,
      cursor: String, scopeFilters: [JSON!], sourceMetadata: SourceMetadataInput
    ): QueryV1Response!
    queryV2(
      query: String!, variables: JSON, cursor: String, scopeFilters: JSON, includeDeleted: Boolean,
      returnRowMetadata: Boolean, returnComputedProperties: Boolean
    ): QueryV2Response!
    parameter(name: String!): ParameterResponse
    parameterList(limit: Int, cursor: String): ParameterListPagedResponse!
    getSettings(resourceType: String!, resourceId: String, category: String!): GetSettingsResult!
    iamGetAccount: IamAccountNode!
    complianceFramework(input: ComplianceFrameworkInput!): ComplianceFramework
    complianceFrameworks: ComplianceFrameworks!
    integrationInstance(id: String!): IntegrationInstance
    integrationInstances(definitionId: String, cursor: String, limit: Int): ListIntegrationInstancesResult!
  }

  type Mutation {
    setParameter(name: String!, value: ParameterValue!, secret: Boolean): ParameterMutationResult!
    deleteParameter(name: String!): ParameterMutationResult!
    setSettings(resourceType: String!, resourceId: String, category: String!, data: JSON): SetSettingsResult!
  }
"""

SCHEMA = graphql.build_schema(_ACCOUNT + GRAPH_READS + STORED_RESULTS)
