/// How many bytes of records all operations of a host may have on their way together, beyond what each may have in any
/// case: what keeps a thousand windows from being filled at once.
///
/// What one gives back is there for whoever asks next. While somebody got less than was asked for, no tenant takes more
/// than its equal part, so that one that floods leaves room to the others, soon and by itself.
package struct IntakeBudget: Sendable {
  package let bytesMax: Int
  private var taken: [String: Int] = [:]
  /// How many operations of a tenant have less than they asked for.
  private var short: [String: Int] = [:]
  package private(set) var total = 0

  package init(bytesMax: Int) { self.bytesMax = bytesMax }

  package func taken(by tenant: String) -> Int { taken[tenant] ?? 0 }

  /// - Returns: How many of so many bytes there are, for this tenant.
  package mutating func take(upTo bytes: Int, for tenant: String) -> Int {
    let room = max(0, bytesMax - total)
    let tenants = Set(taken.keys).union(short.keys).union([tenant])
    let othersLack = short.keys.contains { $0 != tenant }
    let part = othersLack ? max(0, bytesMax / tenants.count - taken(by: tenant)) : room
    let given = max(0, min(bytes, room, part))
    total += given
    if given > 0 { taken[tenant, default: 0] += given }
    return given
  }

  package mutating func giveBack(_ bytes: Int, of tenant: String) {
    precondition(taken(by: tenant) >= bytes, "more was given back than was taken")
    total -= bytes
    taken[tenant] = taken(by: tenant) == bytes ? nil : taken(by: tenant) - bytes
  }

  /// An operation begins, or ends, to have less than it asked for.
  package mutating func lacks(_ isShort: Bool, _ tenant: String) {
    let count = (short[tenant] ?? 0) + (isShort ? 1 : -1)
    short[tenant] = count == 0 ? nil : count
  }
}
