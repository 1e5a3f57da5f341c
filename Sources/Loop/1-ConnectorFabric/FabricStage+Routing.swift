import CanonicalJSON
package import Domain

/// Why nobody takes a delivery.
enum DeliveryFault {
  case unrouted
  case noReceiver(String)

  var code: String {
    switch self {
    case .unrouted: "fabric.unrouted"
    case .noReceiver: "fabric.no_receiver"
    }
  }
  var message: String {
    switch self {
    case .unrouted: "No route takes it."
    case .noReceiver(let instance): "A route leads to \(instance), which is not enabled."
    }
  }
  var remedy: String {
    switch self {
    case .unrouted: "Add a route to routes.yaml, apply it and replay the letter, or drop it."
    case .noReceiver: "Enable the instance and replay the letter, or correct the route and drop it."
    }
  }
}

// Where a delivery goes. Applied with its entry, so the same journal gives the same receivers.
extension FabricStage {
  func route(_ delivery: JSONValue, _ position: Position, _ state: any StateTransaction) throws {
    let hook = delivery["instance"]?.string ?? ""
    guard let name = InstanceID(rawValue: hook), let routes = try Routes.inForce(in: state), routes.names(name) else {
      return try state.set(Self.deliveries, Self.key(hook, position), delivery)
    }
    let receivers = routes.receivers(of: Routes.event(of: delivery), at: name)
    guard !receivers.isEmpty else {
      let key = RowKey.of("unrouted", hook)
      try state.set(Self.counts, key, .integer((try state.value(Self.counts, key)?.integer ?? 0) + 1))
      return try bury(delivery, .unrouted, Self.deadKey(position, nil), state)
    }
    var members = delivery.object ?? [:]
    members["hook"] = .string(hook)
    for receiver in receivers {
      members["instance"] = .string(receiver.rawValue)
      try give(.object(members), to: receiver.rawValue, position, state)
    }
  }

  /// To who was led to by a route.
  func give(_ delivery: JSONValue, to receiver: String, _ position: Position, _ state: any StateTransaction) throws {
    let enabling = try state.value(Self.instances, receiver)
    guard enabling?["settings"]?["enabled"]?.bool == true else {
      return try bury(delivery, .noReceiver(receiver), Self.deadKey(position, receiver), state)
    }
    try state.set(Self.deliveries, Self.key(receiver, position), delivery)
  }

  /// Invariant 6: kept with the cause, and listed.
  private func bury(
    _ delivery: JSONValue, _ fault: DeliveryFault, _ key: String, _ state: any StateTransaction
  ) throws {
    let why: [String: JSONValue] = [
      "code": .string(fault.code), "reason": .string(fault.message), "remedy": .string(fault.remedy),
    ]
    try state.set(Self.deadDeliveries, key, .object((delivery.object ?? [:]).merging(why) { $1 }))
  }

  /// The instances that may have got what came to the address of `hook`; nil when that is `hook` alone.
  package static func receivers(of hook: InstanceID, in view: any StateView) throws -> [InstanceID]? {
    guard let routes = try Routes.inForce(in: view), routes.names(hook) else { return nil }
    return routes.routes.filter { $0.hook == hook }.flatMap(\.receivers)
  }

  /// What nobody took of all that came from one position to another, and why: the fault's code without its room.
  package static func untaken(
    _ positions: ClosedRange<Position>, in view: any StateView
  ) throws -> [(instance: String, why: String)] {
    try view.scan(
      deadDeliveries, from: key(positions.lowerBound), until: key(positions.upperBound.next), reversed: false,
      countMax: 10_000
    ).compactMap { _, row in
      guard let code = row["code"]?.string, let instance = row["instance"]?.string else { return nil }
      return (instance, String(code.drop { $0 != "." }.dropFirst()))
    }
  }
}
