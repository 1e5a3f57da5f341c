import CanonicalJSON
package import Domain

/// How many enabled connectors a tenant may have: each may have a worker, which takes memory, processes and files of the
/// host's.
package struct InstanceQuota: Codable, Equatable, Sendable {
  /// nil: as many as there are, whatever the host's default.
  package let count: Int64?

  /// `tenant` → the quota; no row where the host's default counts.
  package static let space = Space("fabric.instance_quota")
  private static let key = "tenant"
  package static let countMax: Int64 = 1_000_000

  package init(count: Int64?) { self.count = count }

  /// - Returns: nil where the host's default counts.
  package static func of(_ view: any StateView) throws -> InstanceQuota? { try view.value(space, key)?.decode() }

  static func follow(_ order: Order, _ state: any StateTransaction) throws {
    switch QuotaArgument(order.argument, max: countMax) {
    case .standard: try state.remove(space, key)
    case .unlimited: try state.set(space, key, try JSONValue(encoding: InstanceQuota(count: nil)))
    case .amount(let count): try state.set(space, key, try JSONValue(encoding: InstanceQuota(count: count)))
    }
  }
}

/// The argument of an order that sets a quota: a number, `none`, or `default` for the host's.
package enum QuotaArgument: Equatable, Sendable {
  case amount(Int64)
  case unlimited
  case standard

  /// What is none of them leaves the host's default.
  package init(_ text: String?, max: Int64) {
    if text == "none" {
      self = .unlimited
    } else if let text, let amount = Int64(text), (0...max).contains(amount) {
      self = .amount(amount)
    } else {
      self = .standard
    }
  }

  package var text: String {
    switch self {
    case .amount(let amount): "\(amount)"
    case .unlimited: "none"
    case .standard: "default"
    }
  }
}
