/// Who waits for a turn: start-time fair queueing, with a turn of one request as unit.
///
/// Actions and reads take turns while both wait, so that neither starves the other; among the tenants of each, whoever
/// has had least goes next, so that a tenant that floods waits for itself. A tenant that comes anew begins at the present
/// and gets nothing for the time in which it wanted nothing. In one tenant: first come, first served.
package struct FairQueue<Element: Sendable>: Sendable {
  private struct Flow {
    var startTag: Int64
    var waiting: [Element] = []
  }
  private struct Lane {
    var flows: [String: Flow] = [:]
    /// Start tag of the last turn.
    var time: Int64 = 0
    /// Of the lane itself, between lanes.
    var startTag: Int64 = 0
    var isEmpty: Bool { flows.allSatisfy { $0.value.waiting.isEmpty } }
  }

  private var actions = Lane()
  private var reads = Lane()
  private var time: Int64 = 0
  package private(set) var count = 0

  package init() {}

  package mutating func add(_ element: Element, tenant: String, isAction: Bool) {
    count += 1
    let lane = isAction ? \Self.actions : \Self.reads
    if self[keyPath: lane].isEmpty { self[keyPath: lane].startTag = max(self[keyPath: lane].startTag, time) }
    let begin = self[keyPath: lane].time
    var flow = self[keyPath: lane].flows[tenant] ?? Flow(startTag: begin)
    if flow.waiting.isEmpty { flow.startTag = max(flow.startTag, begin) }
    flow.waiting.append(element)
    self[keyPath: lane].flows[tenant] = flow
  }

  /// How many of one tenant wait, actions or reads.
  package func count(of tenant: String, isAction: Bool) -> Int {
    (isAction ? actions : reads).flows[tenant]?.waiting.count ?? 0
  }

  /// The next one that may go.
  /// - Parameter mayGo: Asked in the order of turns; who may not is passed over and keeps its turn.
  package mutating func take(_ mayGo: (Element) -> Bool) -> Element? {
    var lanes = [\Self.actions, \Self.reads].filter { !self[keyPath: $0].isEmpty }
    // Of equals actions go first.
    if lanes.count == 2, reads.startTag < actions.startTag { lanes.reverse() }
    for lane in lanes {
      guard let taken = Self.take(&self[keyPath: lane], mayGo) else { continue }
      time = max(time, self[keyPath: lane].startTag)
      self[keyPath: lane].startTag = max(time, self[keyPath: lane].startTag) + 1
      count -= 1
      return taken
    }
    return nil
  }

  private static func take(_ lane: inout Lane, _ mayGo: (Element) -> Bool) -> Element? {
    let order = lane.flows.filter { !$0.value.waiting.isEmpty }.sorted {
      ($0.value.startTag, $0.key) < ($1.value.startTag, $1.key)
    }
    for (tenant, flow) in order {
      guard let index = flow.waiting.firstIndex(where: mayGo) else { continue }
      let taken = lane.flows[tenant]!.waiting.remove(at: index)
      lane.time = max(lane.time, flow.startTag)
      lane.flows[tenant]!.startTag = max(lane.time, flow.startTag) + 1
      // Who waits for nothing and is not ahead would begin at the present anyway.
      lane.flows = lane.flows.filter { !$0.value.waiting.isEmpty || $0.value.startTag > lane.time }
      return taken
    }
    return nil
  }

  /// Takes out what nobody waits for any more.
  package mutating func remove(where isGone: (Element) -> Bool) {
    for lane in [\Self.actions, \Self.reads] {
      for tenant in self[keyPath: lane].flows.keys {
        self[keyPath: lane].flows[tenant]!.waiting.removeAll(where: isGone)
      }
    }
    count = all.count
  }

  /// In no order.
  package var all: [Element] { [actions, reads].flatMap { $0.flows.values.flatMap(\.waiting) } }
}
