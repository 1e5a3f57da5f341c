import Domain

/// What the world says was done to it, against what the host says it did.
struct DemoAccount {
  let applied: Int
  let doubled: Int
  let unpermitted: Int
  let missing: Int
  let byTool: [String: Int]
  let worldVersions: Int
  let storedVersions: Int
  /// Versions of deals that our own changes made.
  let ownVersions: Int

  /// - Parameters:
  ///   - effects: The world's record.
  ///   - started: The host's `effect.list`.
  init(effects: [JSONValue], started: [JSONValue], status: JSONValue, summary: JSONValue) {
    let known = Dictionary(
      started.compactMap { row in row["key"]?.string.map { ($0, row) } }, uniquingKeysWith: { first, _ in first })
    var seen: [String: Int] = [:]
    var tools: [String: Int] = [:]
    var own = 0
    for effect in effects where (200..<300).contains(effect["status"]?.integer ?? 0) {
      let key = effect["key"]?.string ?? ""
      seen[key, default: 0] += 1
      if effect["method"]?.string == "PATCH", effect["subject"]?["stream"]?.string == "opportunities" { own += 1 }
      if let tool = known[key]?["tool"]?.string { tools[tool, default: 0] += 1 }
    }
    applied = seen.values.reduce(0, +)
    doubled = seen.values.reduce(0) { $0 + max(0, $1 - 1) }
    unpermitted = seen.keys.filter { known[$0] == nil }.count
    missing = known.filter { $0.value["outcome"]?.string == "done" && seen[$0.key] == nil }.count
    byTool = tools
    ownVersions = own
    worldVersions = Int(status["versions"]?["opportunities"]?.integer ?? 0)
    storedVersions = Int(summary["opportunity_versions"]?.integer ?? 0)
  }

  /// The CRM lists records as they are now: a version of ours that was overwritten the next day, and whose webhook was
  /// lost, can be read by nobody. Every other version must be here.
  var isSound: Bool {
    doubled == 0 && unpermitted == 0 && missing == 0
      && (storedVersions...(storedVersions + ownVersions)).contains(worldVersions)
  }

  var json: JSONValue {
    [
      "applied_in_the_world": .integer(Int64(applied)), "doubled": .integer(Int64(doubled)),
      "unpermitted": .integer(Int64(unpermitted)), "missing": .integer(Int64(missing)),
      "by_tool": .object(byTool.mapValues { .integer(Int64($0)) }),
      "versions_in_the_world": .integer(Int64(worldVersions)), "versions_stored": .integer(Int64(storedVersions)),
    ]
  }
}
