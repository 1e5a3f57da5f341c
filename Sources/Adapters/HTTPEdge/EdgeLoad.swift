import Domain
import Synchronization

/// How much the doors bear at once.
package struct EdgeLimits: Sendable, Equatable {
  package var connectionsMax = 4096
  /// Of one address; nil where all come from one, as behind a proxy.
  package var addressConnectionsMax: Int?
  /// Of all bodies that are being read or answered.
  package var bodyBytesMax = 64 << 20
  package init() {}
}

/// Why somebody was turned away who might have been served at another time.
package enum EdgeOverload: OperatorError, Equatable, CaseIterable {
  case connections, address, bodies

  package var code: String {
    switch self {
    case .connections: "edge.too_many_connections"
    case .address: "edge.too_many_of_address"
    case .bodies: "edge.too_many_bodies"
    }
  }
  package var message: String {
    switch self {
    case .connections: "As many connections are open as may be: further ones are closed at once."
    case .address: "One address has as many connections open as it may have: further ones of it are closed at once."
    case .bodies: "The bodies that are being read take as much as they may: further ones are answered 503."
    }
  }
  package var remedy: String {
    switch self {
    case .connections:
      "Find who floods the host and stop it before it; else raise the limit of open files, and `edge.connections_max`."
    case .address:
      "Find who floods the host and stop it before it; if it is a proxy, raise `edge.address_connections_max`."
    case .bodies: "Find who floods the host and stop it before it; else raise `edge.body_bytes_max` in sluice.yaml."
    }
  }
}

/// What the doors bear just now. What goes beyond is turned away, so that those who are in are served, and the host's
/// memory and files are left to its work.
package final class EdgeLoad: Sendable {
  /// For whom a body is read.
  enum Door { case unidentified, identified }

  package struct Counts: Sendable {
    package var connections = 0
    package var bodyBytes = 0
    /// The most that they ever were.
    package var bodyBytesPeak = 0
    package var turnedAway: [EdgeOverload: Int] = [:]
  }
  private struct State {
    var counts = Counts()
    var byAddress: [String: Int] = [:]
    var toldAtMs: [EdgeOverload: Int64] = [:]
  }
  private let state = Mutex(State())
  package let limits: EdgeLimits
  private let nowMs: @Sendable () -> Int64
  private let tell: @Sendable (EdgeOverload, _ count: Int) -> Void
  private static let quietMs: Int64 = 60_000

  /// - Parameter tell: Called once a minute at most for each cause, with how many it has turned away by then.
  package init(
    _ limits: EdgeLimits = EdgeLimits(), nowMs: @escaping @Sendable () -> Int64 = { 0 },
    tell: @escaping @Sendable (EdgeOverload, _ count: Int) -> Void = { _, _ in }
  ) {
    self.limits = limits
    self.nowMs = nowMs
    self.tell = tell
  }

  package var counts: Counts { state.withLock { $0.counts } }

  /// - Returns: Whether the connection may stay; one that does is to `leave`.
  func enter(_ address: String?) -> Bool {
    let overload = state.withLock { state -> EdgeOverload? in
      guard state.counts.connections < limits.connectionsMax else { return .connections }
      if let address {
        let before = state.byAddress[address] ?? 0
        if let most = limits.addressConnectionsMax, before >= most { return .address }
        state.byAddress[address] = before + 1
      }
      state.counts.connections += 1
      return nil
    }
    if let overload { turnedAway(overload) }
    return overload == nil
  }

  func leave(_ address: String?) {
    state.withLock { state in
      state.counts.connections -= 1
      guard let address, let left = state.byAddress[address] else { return }
      state.byAddress[address] = left > 1 ? left - 1 : nil
    }
  }

  /// Whether so many bytes more fit. Who is not identified cannot take what is kept for those who are: people stop
  /// effects through these doors too.
  func hasRoom(for bytes: Int, at door: Door) -> Bool {
    state.withLock { $0.counts.bodyBytes + bytes <= most(door) }
  }

  func take(_ bytes: Int, at door: Door) -> Bool {
    state.withLock { state in
      guard state.counts.bodyBytes + bytes <= most(door) else { return false }
      state.counts.bodyBytes += bytes
      state.counts.bodyBytesPeak = max(state.counts.bodyBytesPeak, state.counts.bodyBytes)
      return true
    }
  }

  func giveBack(_ bytes: Int) { state.withLock { $0.counts.bodyBytes -= bytes } }

  private func most(_ door: Door) -> Int {
    door == .identified ? limits.bodyBytesMax : limits.bodyBytesMax / 4 * 3
  }

  func turnedAway(_ overload: EdgeOverload) {
    let now = nowMs()
    let count = state.withLock { state -> Int? in
      state.counts.turnedAway[overload, default: 0] += 1
      if let last = state.toldAtMs[overload], now - last < Self.quietMs { return nil }
      state.toldAtMs[overload] = now
      return state.counts.turnedAway[overload]
    }
    if let count { tell(overload, count) }
  }
}
