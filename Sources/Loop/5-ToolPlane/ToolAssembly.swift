// ToolPlane: what can be asked for. Comes in: the manifests of enabled instances, calls of the reads. Goes out: the
// catalogue of typed tools, and what the reads know. It never runs an executor's tool: it says what there is.

package import Domain

extension ToolCatalogue {
  /// The tools of a tenant: each action of each enabled executor, and the platform's own reads.
  ///
  /// An action is called `<prefix>.<action>`. The prefix is `tool_prefix` of the instance's configuration, or the
  /// manifest's name up to its first `-`: `crm-actions` offers `crm.close_lost`.
  /// - Parameter instances: The documents of the instances' activations, `{"manifest": {…}, "config": {…}}`.
  package static func assemble(
    from instances: [(instance: InstanceID, document: JSONValue)]
  ) throws(ToolError) -> ToolCatalogue {
    var tools = try ReadTool.descriptions()
    for (instance, document) in instances.sorted(by: { $0.instance < $1.instance }) {
      guard isEnabled(document) else { continue }
      tools += try actions(of: instance, document)
    }
    return try ToolCatalogue(tools)
  }

  private static func isEnabled(_ document: JSONValue) -> Bool {
    document["isEnabled"]?.bool ?? document["settings"]?["enabled"]?.bool ?? true
  }

  private static func actions(
    of instance: InstanceID, _ document: JSONValue
  ) throws(ToolError) -> [ToolDescription] {
    guard let manifest = document["manifest"] else {
      throw .badManifest(instance: instance.rawValue, path: "manifest", reason: "missing")
    }
    guard manifest["kind"]?.string == "executor" else { return [] }
    guard let name = manifest["name"]?.string, let actions = manifest["actions"]?.object else {
      throw .badManifest(instance: instance.rawValue, path: "actions", reason: "missing")
    }
    let prefix = document["config"]?["tool_prefix"]?.string ?? String(name.prefix { $0 != "-" })
    guard InstanceID(rawValue: prefix) != nil, !prefix.contains(".") else {
      throw .badManifest(
        instance: instance.rawValue, path: "config.tool_prefix", reason: "no name of a–z, 0–9, _ and -")
    }
    var tools: [ToolDescription] = []
    for action in actions.keys.sorted() {
      tools.append(try tool(prefix, action, actions[action]!, instance))
    }
    return tools
  }

  private static func tool(
    _ prefix: String, _ action: String, _ declared: JSONValue, _ instance: InstanceID
  ) throws(ToolError) -> ToolDescription {
    guard let effect = declared["effect"]?.string.flatMap(ToolDescription.Effect.init) else {
      let allowed = ToolDescription.Effect.allCases.map(\.rawValue).joined(separator: ", ")
      throw .badManifest(instance: instance.rawValue, path: "actions.\(action).effect", reason: "none of \(allowed)")
    }
    return try ToolDescription(
      name: "\(prefix).\(action)", summary: declared["summary"]?.string ?? "", effect: effect,
      input: declared["input"] ?? ["type": "object"],
      compensation: declared["compensation"]?.string.map { "\(prefix).\($0)" },
      costCents: Int(declared["cost_cents"]?.integer ?? 0), instance: instance)
  }
}
