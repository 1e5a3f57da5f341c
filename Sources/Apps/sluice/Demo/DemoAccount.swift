import Domain

/// What the world says was done to it, against what the host says it did; and every version of every deal in the world,
/// against what is stored here.
struct DemoAccount {
  /// One version of one deal.
  struct Place: Hashable {
    let deal: String
    let version: Int
  }

  let applied: Int
  let doubled: Int
  let unpermitted: Int
  let missing: Int
  let byTool: [String: Int]
  let worldVersions: Int
  let storedVersions: Int
  /// Versions that nobody could read: we made them, somebody changed the deal again before the next pull, and their
  /// webhook was lost, or is late and still to come.
  let unread: [Place]
  /// Versions that are missing here, or stored here and not in the world, without such a cause.
  let unaccounted: [Place]

  /// - Parameters:
  ///   - effects: The world's record.
  ///   - started: The host's `effect.list`.
  ///   - versions: The newest version of each deal in the world.
  ///   - stored: The host's `record.versions` of the deals.
  init(effects: [JSONValue], started: [JSONValue], versions: [String: Int], stored: [String: Set<Int>]) {
    let known = Dictionary(
      started.compactMap { row in row["key"]?.string.map { ($0, row) } }, uniquingKeysWith: { first, _ in first })
    var seen: [String: Int] = [:]
    var tools: [String: Int] = [:]
    var unannounced: Set<Place> = []
    for effect in effects where (200..<300).contains(effect["status"]?.integer ?? 0) {
      let key = effect["key"]?.string ?? ""
      seen[key, default: 0] += 1
      if let tool = known[key]?["tool"]?.string { tools[tool, default: 0] += 1 }
      if ["lost", "pending"].contains(effect["webhook"]?.string), let deal = effect["subject"]?["id"]?.string {
        unannounced.insert(Place(deal: deal, version: Int(effect["subject"]?["version"]?.integer ?? 0)))
      }
    }
    applied = seen.values.reduce(0, +)
    doubled = seen.values.reduce(0) { $0 + max(0, $1 - 1) }
    unpermitted = seen.keys.filter { known[$0] == nil }.count
    missing = known.filter { $0.value["outcome"]?.string == "done" && seen[$0.key] == nil }.count
    byTool = tools
    worldVersions = versions.values.reduce(0, +)
    storedVersions = stored.values.reduce(0) { $0 + $1.count }

    var (unread, unaccounted): ([Place], [Place]) = ([], [])
    for deal in Set(versions.keys).union(stored.keys).sorted() {
      let newest = versions[deal] ?? 0
      let here = stored[deal] ?? []
      for version in Set(0...newest).subtracting([0]).symmetricDifference(here).sorted() {
        let place = Place(deal: deal, version: version)
        // The newest version can still be read: it must be here.
        if version < newest, !here.contains(version), unannounced.contains(place) {
          unread.append(place)
        } else {
          unaccounted.append(place)
        }
      }
    }
    (self.unread, self.unaccounted) = (unread, unaccounted)
  }

  var isSound: Bool { doubled == 0 && unpermitted == 0 && missing == 0 && unaccounted.isEmpty }

  var json: JSONValue {
    func list(_ places: [Place]) -> JSONValue {
      .array(places.map { ["deal": .string($0.deal), "version": .integer(Int64($0.version))] })
    }
    return [
      "applied_in_the_world": .integer(Int64(applied)), "doubled": .integer(Int64(doubled)),
      "unpermitted": .integer(Int64(unpermitted)), "missing": .integer(Int64(missing)),
      "by_tool": .object(byTool.mapValues { .integer(Int64($0)) }),
      "versions_in_the_world": .integer(Int64(worldVersions)), "versions_stored": .integer(Int64(storedVersions)),
      "versions_unread": list(unread), "versions_unaccounted": list(unaccounted),
    ]
  }
}
