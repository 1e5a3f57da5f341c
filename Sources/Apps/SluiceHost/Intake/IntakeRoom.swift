import ConnectorFabric
import Domain

/// The host's room for records that are not durable yet, shared by all operations. Confined to the loop's thread.
package final class IntakeRoom {
  /// One operation's part of it.
  final class Part {
    private let room: IntakeRoom
    private let tenant: TenantID
    /// What it may have on its way in any case: so it goes on, however much the others have.
    private let ownBytes: Int
    private var taken = 0
    private var held = 0
    /// It got less than its window has room for.
    private(set) var isShort = false {
      didSet { if isShort != oldValue { room.budget.lacks(isShort, tenant.rawValue) } }
    }

    fileprivate init(_ room: IntakeRoom, _ tenant: TenantID, ownBytes: Int) {
      self.room = room
      self.tenant = tenant
      self.ownBytes = ownBytes
    }

    /// - Parameter usedBytes: What of its window is not free.
    /// - Returns: How many of so many bytes may be granted beside.
    func take(upTo bytes: Int, usedBytes: Int) -> Int {
      giveBack(usedBytes: usedBytes)
      let own = min(bytes, max(0, ownBytes - usedBytes))
      let more = room.budget.take(upTo: bytes - own, for: tenant.rawValue)
      taken += more
      isShort = own + more < bytes
      return own + more
    }

    private func giveBack(usedBytes: Int) {
      let free = max(0, taken - max(0, usedBytes - ownBytes))
      taken -= free
      room.budget.giveBack(free, of: tenant.rawValue)
    }

    /// Bytes have come, or are durable.
    func holds(_ bytes: Int) {
      room.hold(bytes - held, tenant)
      held = bytes
    }

    /// The operation is over, and so many of its bytes still wait to be made durable.
    func drains(_ bytes: Int) {
      giveBack(usedBytes: bytes)
      isShort = false
      holds(bytes)
    }

    func end() {
      giveBack(usedBytes: 0)
      isShort = false
      holds(0)
    }
  }

  private var budget: IntakeBudget
  private var held: [TenantID: Int] = [:]
  private let metrics: Metrics

  package init(bytesMax: Int, metrics: Metrics) {
    budget = IntakeBudget(bytesMax: bytesMax)
    self.metrics = metrics
  }

  func part(of tenant: TenantID, ownBytes: Int) -> Part { Part(self, tenant, ownBytes: ownBytes) }

  private func hold(_ bytes: Int, _ tenant: TenantID) {
    guard bytes != 0 else { return }
    let now = (held[tenant] ?? 0) + bytes
    held[tenant] = now == 0 ? nil : now
    metrics.set("sluice_intake_held_bytes", now, [("tenant", tenant.rawValue)])
  }
}
