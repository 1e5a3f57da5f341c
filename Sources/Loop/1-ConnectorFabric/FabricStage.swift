import CanonicalJSON
package import Domain

/// Keeps what the host needs to go on after a restart: enabled instances, durable checkpoints, deliveries that still
/// wait for their plugin.
package struct FabricStage: Stage {
  /// instance → its activation document.
  package static let instances = Space("fabric.instance")
  /// `instance/stream` → the durable checkpoint.
  package static let checkpoints = Space("fabric.checkpoint")
  /// instance/position → the delivery, until its records have been taken in.
  package static let deliveries = Space("fabric.delivery")
  /// position, or position and receiver → a delivery that nobody takes or whose plugin could not, with the reason.
  package static let deadDeliveries = Space("fabric.dead_delivery")

  /// `routes.yaml` → the routes in force.
  static let routes = Space("fabric.route")

  package init() {}

  package func apply(_ entry: Entry, to state: any StateTransaction) throws -> [Derived] {
    switch entry.kind {
    case .activation:
      let activation = try JSONValue(parsing: entry.body).decode(Activation.self)
      if activation.kind == .instance { try state.set(Self.instances, activation.name, activation.document) }
      if activation.kind == .routes {
        if activation.document.isNull {
          try state.remove(Self.routes, activation.name)
        } else {
          try state.set(Self.routes, activation.name, activation.document)
        }
      }
    case .delivery: try route(JSONValue(parsing: entry.body), entry.position, state)
    case .intake: try applyIntake(entry, state)
    case .order: try follow(JSONValue(parsing: entry.body).decode(Order.self), state)
    default: break
    }
    return []
  }

  private func follow(_ order: Order, _ state: any StateTransaction) throws {
    switch order.verb {
    case .setCheckpoint: try setCheckpoint(order, state)
    case .replayDeadLetter: try replay(order, state)
    case .dropDeadLetter:
      if let key = Self.deadKey(ofLetter: order.target) { try state.remove(Self.deadDeliveries, key) }
    case .setDiskQuota: try DiskQuota.follow(order, state)
    case .setInstanceQuota: try InstanceQuota.follow(order, state)
    default: break
    }
  }

  /// A person has said where a stream goes on.
  private func setCheckpoint(_ order: Order, _ state: any StateTransaction) throws {
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
      let key = Self.key(header.instance.rawValue, position)
      if let failure = header.failure, case .object(let delivery)? = try state.value(Self.deliveries, key) {
        let receiver = delivery["hook"] == nil ? nil : header.instance.rawValue
        let dead = delivery.merging(["reason": .string(failure)]) { $1 }
        try state.set(Self.deadDeliveries, Self.deadKey(position, receiver), .object(dead))
      }
      try state.remove(Self.deliveries, key)
    }
  }

  private func replay(_ order: Order, _ state: any StateTransaction) throws {
    guard let position = order.delivery, let key = Self.deadKey(ofLetter: order.target),
      case .object(var delivery)? = try state.value(Self.deadDeliveries, key)
    else { return }
    let code = delivery["code"]?.string
    for name in ["reason", "code", "remedy"] { delivery[name] = nil }
    try state.remove(Self.deadDeliveries, key)
    switch code {
    case DeliveryFault.unrouted.code, DeliveryFault.tooMuchWork.code: try route(.object(delivery), position, state)
    case DeliveryFault.noReceiver("").code:
      try give(.object(delivery), to: delivery["instance"]?.string ?? "", position, state)
    default:
      try state.set(Self.deliveries, Self.key(delivery["instance"]?.string ?? "", position), .object(delivery))
    }
  }

  /// Decimal digits, padded so that keys sort as positions do.
  package static func key(_ position: Position) -> String {
    let digits = String(position.number)
    return String(repeating: "0", count: max(0, 20 - digits.count)) + digits
  }

  static func key(_ instance: String, _ position: Position) -> String {
    RowKey.of(instance, RowKey.number(position.number))
  }

  /// The deliveries that wait for an instance, in order.
  package static func deliveries(
    for instance: InstanceID, after position: Position, countMax: Int, in view: any StateView
  ) throws -> [(position: Position, document: JSONValue)] {
    let end = prefixEnd(RowKey.prefix(instance.rawValue))
    return try view.scan(
      deliveries, from: key(instance.rawValue, position.next), until: end, reversed: false, countMax: countMax
    ).compactMap { key, document in
      RowKey.parts(key).last.flatMap { UInt64($0) }.map { (Position($0), document) }
    }
  }

  /// Whether any delivery waits for an instance.
  package static func isAwaited(_ instance: InstanceID, in view: any StateView) throws -> Bool {
    try !deliveries(for: instance, after: .origin, countMax: 1, in: view).isEmpty
  }

  /// For each instance that deliveries wait for: how many, of which so many are counted at most, and when the first of
  /// them came, as wall time.
  package static func backlog(
    in view: any StateView, countMax: Int
  ) throws -> [(instance: String, count: Int, oldestAtMs: Int64?)] {
    var (rows, from): ([(instance: String, count: Int, oldestAtMs: Int64?)], String?) = ([], "")
    while let place = from,
      let (key, first) = try view.scan(deliveries, from: place, until: nil, reversed: false, countMax: 1).first
    {
      let instance = RowKey.parts(key)[0]
      let prefix = RowKey.prefix(instance)
      let count = try view.count(deliveries, prefix: prefix, countMax: countMax)
      rows.append((instance, count, first["received_at_ms"]?.integer))
      from = prefixEnd(prefix)
    }
    return rows
  }

  /// A delivery that was given up; nil when there is none of this id.
  package static func deadDelivery(_ id: String, in view: any StateView) throws -> JSONValue? {
    guard let key = deadKey(ofLetter: id), let row = try view.value(deadDeliveries, key) else { return nil }
    return named(row, key)
  }

  /// The key of a dead delivery: of one that a route led to a receiver, with that.
  static func deadKey(_ position: Position, _ receiver: String?) -> String {
    key(position) + (receiver.map { "/" + $0 } ?? "")
  }

  private static func deadKey(ofLetter id: String) -> String? {
    Order.delivery(ofLetter: id).map { deadKey($0, Order.receiver(ofLetter: id)) }
  }

  /// Deliveries that were given up, as rows among the dead letters, oldest first.
  package static func deadDeliveries(in view: any StateView, countMax: Int) throws -> [JSONValue] {
    try view.scan(deadDeliveries, countMax: countMax).compactMap { key, row in named(row, key) }
  }

  /// How many of them there are by the instance whose address they came to; at most so many are counted.
  package static func deadDeliveryCounts(in view: any StateView, countMax: Int) throws -> [String: Int] {
    try view.tally(deadDeliveries, by: "instance", countMax: countMax)
  }

  static func named(_ row: JSONValue, _ key: String) -> JSONValue? {
    let parts = key.split(separator: "/", maxSplits: 1)
    guard let position = parts.first.flatMap({ UInt64($0) }).map({ Position($0) }) else { return nil }
    let receiver = parts.count > 1 ? String(parts[1]) : nil
    let name: [String: JSONValue] = [
      "id": .string(Order.letter(ofDelivery: position, to: receiver)),
      "position": .integer(Int64(position.number)),
    ]
    let failed: [String: JSONValue] = [
      "code": "fabric.delivery_failed", "remedy": "Correct the plugin and replay the letter, or drop it.",
    ]
    return .object(failed.merging(row.object ?? [:]) { $1 }.merging(name) { $1 })
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
