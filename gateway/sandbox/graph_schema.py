"""The part of the platform's GraphQL schema that reads the graph without a query, or the stored results of queries.

Names, arguments and shapes are those of the schema in JupiterOne's public Go client; members that no client asks for
are left out, and unions of one shape each (raw data, primitives) are JSON. `getEntityCounts` and `entityRawDataV2` are
newer than that schema: what is known of them are the documents of the Python SDK and the MCP server; `getWidget` and
`dashboardParameter` are in those of the Terraform provider.
"""

from __future__ import annotations

GRAPH_READS = """
  enum FilterType { AND AND_WITH_SAME_FIELD_OR AND_WITH_CLASS_OR OR_WITH_CLASS_OR OR }
  enum SortOrder { ASC DESC }
  input VertexFilters { _id: String, _key: String, _type: [String], _class: [String] }
  input EdgeFilters { _id: String, _key: String, _type: String, _class: String }
  input FieldSort { field: String!, order: SortOrder }
  input EntityIngestionAddress {
    source: String, integrationInstanceId: String, entityKey: String, entityType: [String]
  }

  type EntityCoreProperties {
    _source: String!
    _id: String!
    _key: String!
    _type: [String]!
    _class: [String]
    _scope: String
    _accountId: String
    _integrationName: String
    _integrationDefinitionId: String
    _integrationInstanceId: String
    _integrationType: String
    _integrationClass: [String]
    _version: Int
    _createdOn: Long
    _beginOn: Long
    _deleted: Boolean
    displayName: String
  }
  type RelationshipCoreProperties {
    _source: String!
    _id: String!
    _key: String!
    _type: String!
    _class: String
    _accountId: String
    _fromEntityKey: String
    _toEntityKey: String
    _fromEntityId: String
    _toEntityId: String
    displayName: String
  }
  type Vertex {
    id: String!
    entity: EntityCoreProperties!
    properties: JSON
    neighbors(depth: Int): GraphResponse
    edges: [Edge]!
  }
  type Edge {
    id: String!
    toVertexId: String!
    fromVertexId: String!
    relationship: RelationshipCoreProperties!
    properties: JSON
  }
  type GraphResponse { vertices: [Vertex]!, edges: [Edge]! }
  type ListVerticesResponse { total: Int!, vertices: [Vertex]!, pageInfo: PageInfo! }
  type EntityCounts { classes: JSON!, types: JSON! }
  type EntityPropertiesResponse { properties: [String!]!, pageInfo: PageInfo! }
  type EntityPropertyValue { value: JSON, count: Long! }
  type EntityPropertyValuesResponse { values: [EntityPropertyValue!]!, pageInfo: PageInfo! }
  type EntityResponse { entity: JSON! }
  type EntityContributionsResponse { contributions: JSON! }
  type RelationshipResponse { relationship: JSON! }
  type RawDataPayload { name: String!, contentType: String!, data: JSON }
  type EntityRawData {
    entityId: String!
    status: String!
    message: String
    collectedAt: String
    payload: [RawDataPayload!]!
  }
  type RawDataVersion { versionId: String!, lastModifiedTimestamp: Long!, sizeBytes: Int!, latest: Boolean! }
  type RawDataVersions { entityId: String!, versions: [RawDataVersion!]! }
  type AssetCategory { id: String!, name: String }
  type RelatedEntities { leftEntityTypeOrClass: String!, rightEntityTypeOrClass: String! }
  type Property { name: String!, entity: String!, count: Long! }
  type RelationshipKind { name: String!, sourceEntity: String!, targetEntity: String!, count: Long! }
  type UniqueRelationship { verb: String! }
  type BuildResponse { stateFileUrl: String! }

  extend type Query {
    accountEntity: QueryV1Response!
    vertex(id: String, filters: VertexFilters, propertyFilters: JSON): Vertex
    listVertices(
      size: Int, filters: VertexFilters, propertyFilters: JSON, filterType: FilterType, sort: [FieldSort],
      after: String, search: String
    ): ListVerticesResponse
    listVerticesV2(
      size: Int, filters: VertexFilters, propertyFilters: JSON, filterType: FilterType, sort: [FieldSort],
      after: String, search: String
    ): ListVerticesResponse
    edge(id: String, label: String, filters: EdgeFilters): Edge
    queryGraph: GraphResponse!
    entityCount(filters: VertexFilters, filterType: FilterType, search: String): Int
    typeCounts(classes: [String], filterType: FilterType, propertyFilters: JSON, search: String): JSON
    allEntityCounts: JSON
    getEntityCounts: EntityCounts
    entityProperties(
      filters: VertexFilters, propertyFilters: JSON, filterType: FilterType, after: String
    ): EntityPropertiesResponse!
    entityPropertyValues(
      filters: VertexFilters, propertyFilters: JSON, filterType: FilterType, property: String!
    ): EntityPropertyValuesResponse!
    getAllAssetProperties: [String!]!
    assetCategories: [AssetCategory!]!
    queryRelatedEntities(leftEntityTypesOrClasses: [String!]!): [RelatedEntities!]!
    queryProperties(entity: String): [Property!]!
    queryRelationships(sourceEntity: String, sourceVerbs: [String!]): [RelationshipKind!]!
    queryUniqueRelationships(
      leftEntityTypesOrClasses: [String!]!, rightEntityTypesOrClasses: [String!]
    ): [UniqueRelationship!]!
    fetchEntityById(entityId: String!): EntityResponse!
    fetchEntityContributionsById(entityId: String!): EntityContributionsResponse!
    fetchRelationshipById(relationshipId: String!): RelationshipResponse!
    entityRawData(entityId: String!, source: String!, name: String, versionId: String): EntityRawData!
    entityRawDataLegacy(entityId: String!, source: String!, name: String, versionId: String): EntityRawData!
    entityRawDataV2(entityId: ID!, address: EntityIngestionAddress): EntityRawData!
    entityRawDataVersions(
      entityId: String!, source: String!, name: String!, startVersion: String, maxResults: Int
    ): RawDataVersions!
    entityRawDataVersionsLegacy(
      entityId: String!, source: String!, name: String!, startVersion: String, maxResults: Int
    ): RawDataVersions!
  }

  extend type Mutation {
    buildCsv(filters: VertexFilters, propertyFilters: JSON, filterType: FilterType): BuildResponse!
    buildJson(filters: VertexFilters, propertyFilters: JSON, filterType: FilterType): BuildResponse!
  }
"""

STORED_RESULTS = """
  enum DashboardType { USER ACCOUNT }
  enum AlertStatus { ACTIVE INACTIVE DISMISSED }
  enum CollectionType { QUESTION RULE_EVALUATION COMPLIANCE_REQUIREMENT_EVALUATION }
  input DashboardsOptions { includeAllJ1ManagedDashboards: Boolean }
  input WidgetQueryInput { query: String!, cursor: String }

  type InsightsWidgetQuery { id: String!, name: String, query: String! }
  type InsightsWidgetConfig { queries: [InsightsWidgetQuery!]!, disableQueryPolicyFilters: Boolean }
  type InsightsWidget { id: String!, title: String, type: String!, config: InsightsWidgetConfig! }
  type InsightsDashboard {
    id: String!
    name: String!
    category: String
    userId: String
    isJ1ManagedBoard: Boolean
    published: Boolean
    scopeFilters: [JSON!]
    resourceGroupId: String
    starred: Boolean
    _createdAt: String
    widgets: [InsightsWidget!]!
  }
  type Widget { widget: JSON }
  type DashboardParameter { id: ID!, dashboardId: String!, name: String, label: String }
  type DashboardTemplateItem { name: String! }
  type DashboardQueryResult { name: String!, query: String!, url: String!, data: JSON, type: String }
  type DashboardQueryWidgetData {
    dashboardId: String!, widgetId: String!, ownerId: String!, data: [DashboardQueryResult!]
  }
  type DashboardQuestionResult { results: JSON!, pageInfo: PageInfo }
  type DashboardQuestionWidgetData {
    dashboardId: String!, widgetId: String!, ownerId: String!, data: DashboardQuestionResult!
  }
  type PaginatedQueryWidgetData { data: JSON, type: String, cursor: String, totalCount: Int }
  type DashboardSettings { dashboardId: String!, ownerId: String!, data: JSON }

  type QuestionQuery { name: String, query: String! }
  type Question { id: ID!, title: String!, queries: [QuestionQuery!]! }
  type Questions { questions: [Question!]!, totalHits: Int!, pageInfo: PageInfo! }
  type ResultOutput { name: String!, value: JSON }
  type QuestionEvaluation { answerText: String, outputs: [ResultOutput!]! }
  type AlertResult { answerText: String, outputs: [ResultOutput!] }
  type AlertInstance {
    id: String!, accountId: String!, ruleId: String!, status: AlertStatus!, lastUpdatedOn: Long!, createdOn: Long!
    lastEvaluationResult: AlertResult
  }
  type AlertInstances { instances: [AlertInstance!]!, pageInfo: PageInfo! }
  type AlertCount { count: Int!, pageInfo: PageInfo! }
  type ResultRecord { accountId: String!, timestamp: Long!, collectionOwnerId: String!, outputs: [ResultOutput!]! }
  type ResultRecords { results: [ResultRecord!]!, pageInfo: PageInfo! }

  extend type Query {
    getDashboard(dashboardId: String!): InsightsDashboard
    getDashboards(options: DashboardsOptions): [InsightsDashboard!]!
    getDashboardTemplates: [DashboardTemplateItem!]!
    dashboardParameter(id: ID!): DashboardParameter
    getWidget(boardId: String!, boardType: String!, widgetId: String!): Widget
    getDashboardQueryWidgetData(
      dashboardId: String!, widgetId: String!, ownerId: String!, dashboardType: DashboardType, queryVariables: JSON,
      isJ1ManagedBoard: Boolean, isFetchAllData: Boolean, rowMetadata: Boolean
    ): DashboardQueryWidgetData!
    getDashboardQuestionWidgetData(
      dashboardId: String!, widgetId: String!, ownerId: String!, dashboardType: DashboardType, beginTimestamp: Long!,
      endTimestamp: Long!, cursor: String, queryVariables: JSON, isJ1ManagedBoard: Boolean
    ): DashboardQuestionWidgetData!
    getPaginatedQueryWidgetData(queryInput: WidgetQueryInput!): PaginatedQueryWidgetData!
    getDashboardWidgetSettings(
      dashboardId: String!, ownerId: String!, dashboardType: DashboardType
    ): DashboardSettings!
    getDashboardLayoutSettings(
      dashboardId: String!, ownerId: String!, dashboardType: DashboardType
    ): DashboardSettings!
    question(id: ID!): Question!
    questions(searchQuery: String, tags: [String], limit: Int, cursor: String): Questions!
    findSimilarQuestions(termsToMatch: [String]!, limit: Int, cursor: String): Questions!
    evaluateQuestion(id: ID!): QuestionEvaluation!
    listAlertInstances(alertStatus: AlertStatus, limit: Int, cursor: String): AlertInstances
    listAlertInstancesInCreatedOnDateRange(
      beginOn: Long!, endOn: Long!, limit: Int, cursor: String
    ): AlertInstances
    countAlertInstances(alertStatus: AlertStatus, limit: Int, cursor: String): AlertCount
    alertInstance(id: ID!): AlertInstance
    listCollectionResults(
      collectionType: CollectionType!, collectionOwnerId: String!, beginTimestamp: Long!, endTimestamp: Long!,
      limit: Int, cursor: String, tag: String
    ): ResultRecords!
    getRawDataDownloadUrl(rawDataKey: String!): String!
    getRawResultPresignedDownloadUrl(alertId: ID!, queryName: String!): String!
  }
"""
