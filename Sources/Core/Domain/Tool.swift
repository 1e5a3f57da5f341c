/// One thing that can be asked for, with everything that deciding and judging need to know of it.
package struct ToolDescription: Equatable, Sendable, Encodable {
  package enum Effect: String, Codable, Sendable, CaseIterable {
    /// Only reads.
    case read
    /// Prepares something that a person sends or applies.
    case draft
    /// Asks or tells somebody inside the company.
    case notify
    /// Changes a record.
    case write
  }

  /// `<connector>.<action>`, e.g. `crm.close_lost`.
  package let name: String
  package let summary: String
  package let effect: Effect
  /// JSON Schema of the arguments, as it was declared.
  package let input: JSONValue
  /// The tool that takes a call back; nil when there is none.
  package let compensation: String?
  /// What one call costs, in cents.
  package let costCents: Int
  /// The instance whose executor runs it; nil for a read of the platform itself.
  package let instance: InstanceID?
  package let schema: ArgumentSchema

  /// - Throws: `ToolError.schemaRefused` when `input` says what cannot be checked.
  package init(
    name: String, summary: String, effect: Effect, input: JSONValue, compensation: String?, costCents: Int,
    instance: InstanceID?
  ) throws(ToolError) {
    self.name = name
    self.summary = summary
    self.effect = effect
    self.input = input
    self.compensation = compensation
    self.costCents = costCents
    self.instance = instance
    do {
      schema = try ArgumentSchema(input)
    } catch {
      throw .schemaRefused(
        tool: name, path: error.path, keyword: error.keyword, reason: error.reason ?? "is not supported")
    }
  }

  private enum CodingKeys: String, CodingKey {
    case name, summary, effect, input, compensation, instance
    case costCents = "cost_cents"
  }
}

/// Every tool of a tenant. Deciding reaches tools through it only: what is not in it is never called.
package struct ToolCatalogue: Equatable, Sendable {
  private let byName: [String: ToolDescription]

  package init(_ tools: [ToolDescription]) throws(ToolError) {
    var byName: [String: ToolDescription] = [:]
    for tool in tools {
      if let other = byName[tool.name] {
        throw .duplicate(
          tool: tool.name, instances: [other, tool].map { $0.instance?.rawValue ?? "the platform" }.sorted())
      }
      byName[tool.name] = tool
    }
    for tool in tools {
      if let undo = tool.compensation, byName[undo] == nil { throw .unknown(tool: undo) }
    }
    self.byName = byName
  }

  /// In order of name.
  package var tools: [ToolDescription] { byName.keys.sorted().map { byName[$0]! } }
  package subscript(name: String) -> ToolDescription? { byName[name] }

  /// - Throws: `.unknown` or `.argumentsRefused`.
  package func check(tool name: String, arguments: JSONValue) throws(ToolError) {
    guard let tool = byName[name] else { throw .unknown(tool: name) }
    do {
      try tool.schema.check(arguments)
    } catch {
      throw .argumentsRefused(tool: name, path: error.path, reason: error.reason)
    }
  }
}

/// Why a tool is not there or a call was not taken. Messages show paths and schemas, never argument values.
package enum ToolError: OperatorError, Equatable {
  case unknown(tool: String)
  case argumentsRefused(tool: String, path: String, reason: String)
  case schemaRefused(tool: String, path: String, keyword: String, reason: String)
  case duplicate(tool: String, instances: [String])
  case badManifest(instance: String, path: String, reason: String)
  case notFound(what: String, id: String)

  package var code: String {
    switch self {
    case .unknown: "tool.unknown"
    case .argumentsRefused: "tool.arguments_refused"
    case .schemaRefused: "tool.schema_refused"
    case .duplicate: "tool.duplicate"
    case .badManifest: "tool.bad_manifest"
    case .notFound: "tool.not_found"
    }
  }
  package var message: String {
    switch self {
    case .unknown(let tool): "No tool is called \(tool)."
    case .argumentsRefused(let tool, let path, let reason):
      "The arguments of \(tool) do not fit its schema: \(path.isEmpty ? "the whole" : "`\(path)`") is \(reason)."
    case .schemaRefused(let tool, let path, let keyword, let reason):
      "The schema of \(tool) cannot be used: `\(keyword)`\(path.isEmpty ? "" : " of `\(path)`") \(reason)."
    case .duplicate(let tool, let instances): "\(tool) is offered twice, by \(instances.joined(separator: " and "))."
    case .badManifest(let instance, let path, let reason):
      "The manifest of instance \(instance) declares no usable tool: `\(path)` is \(reason)."
    case .notFound(let what, let id): "There is no \(what) \"\(id.prefix(80))\"."
    }
  }
  package var remedy: String {
    switch self {
    case .unknown: "Enable the connector that declares it; `sluice tool list` shows what there is."
    case .argumentsRefused:
      "Correct them where they were given, by hand or in a playbook; `sluice tool list` shows the schema."
    case .schemaRefused: "Use " + ArgumentSchema.keywords.sorted().joined(separator: ", ") + "."
    case .duplicate: "Give one of the instances another `tool_prefix` in its configuration."
    case .badManifest: "Correct the manifest and enable the connector again: `sluice connector enable`."
    case .notFound: "Use an id that a record or signal has."
    }
  }
}
