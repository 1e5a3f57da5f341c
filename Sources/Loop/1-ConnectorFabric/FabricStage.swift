import CanonicalJSON
package import Domain

/// Keeps what the host needs to go on after a restart: enabled instances, durable checkpoints, deliveries that still
/// wait for their plugin.
package struct FabricStage: Stage {
  /// instance → its activation document.
  package static let instances = Space("fabric.instance")
  /// `instance/stream` → the durable checkpoint.
  package static let checkpoints = Space("fabric.checkpoint")
  /// position → the delivery, until its records have been taken in.
  package static let deliveries = Space("fabric.delivery")

  package init() {}

  package func apply(_ entry: Entry, to state: any StateTransaction) throws -> [Derived] {
    switch entry.kind {
    case .activation:
      let activation = try JSONValue(parsing: entry.body).decode(Activation.self)
      if activation.kind == .instance { try state.set(Self.instances, activation.name, activation.document) }
    case .delivery:
      try state.set(Self.deliveries, Self.key(entry.position), try JSONValue(parsing: entry.body))
    case .intake: try applyIntake(entry, state)
    case .order: try follow(try JSONValue(parsing: entry.body).decode(Order.self), state)
    default: break
    }
    return []
  }

  /// A person has said where a stream goes on.
  private func follow(_ order: Order, _ state: any StateTransaction) throws {
    guard order.verb == .setCheckpoint else { return }
    guard let text = order.argument else { return try state.remove(Self.checkpoints, order.target) }
    let checkpoint = try JSONValue(parsing: text).decode(IntakeBatch.Checkpoint.self)
    try state.set(Self.checkpoints, order.target, try JSONValue(encoding: checkpoint))
  }

  private func applyIntake(_ entry: Entry, _ state: any StateTransaction) throws {
    let (headerJSON, recordCount) = try IntakeBatch.summary(of: entry.body)
    let header = try JSONValue(parsing: headerJSON).decode(IntakeBatch.Header.self)
    if let checkpoint = header.checkpoint {
      try state.set(
        Self.checkpoints, "\(header.instance)/\(header.stream)", try JSONValue(encoding: checkpoint))
    }
    // A delivery may come in several entries, and the host may end between two of them: an empty one says that it is all
    // taken in. Until then it is given to its plugin again.
    if case .delivery(let position) = header.origin, recordCount == 0 {
      try state.remove(Self.deliveries, Self.key(position))
    }
  }

  /// Decimal digits, padded so that keys sort as positions do.
  package static func key(_ position: Position) -> String {
    let digits = String(position.number)
    return String(repeating: "0", count: max(0, 20 - digits.count)) + digits
  }

  package static func checkpoint(
    of instance: InstanceID, stream: StreamName, in view: any StateView
  ) throws -> IntakeBatch.Checkpoint? {
    try view.value(checkpoints, "\(instance)/\(stream)")?.decode()
  }
}

extension IntakeBatch {
  package func encoded() throws -> [UInt8] {
    Self.encoded(
      headerJSON: try JSONValue(encoding: header).canonicalBytes, committed: records.map(\.committedBytes))
  }
}
