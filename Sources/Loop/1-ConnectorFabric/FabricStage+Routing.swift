import CanonicalJSON
package import Domain

/// Why nobody takes a delivery.
enum DeliveryFault {
  case unrouted
  case noReceiver(String)
  case tooMuchWork

  var code: String {
    switch self {
    case .unrouted: "fabric.unrouted"
    case .noReceiver: "fabric.no_receiver"
    case .tooMuchWork: "fabric.too_much_work"
    }
  }
  var message: String {
    switch self {
    case .unrouted: "No route takes it."
    case .noReceiver(let instance): "A route leads to \(instance), which is no source that is enabled."
    case .tooMuchWork: "To match it with the patterns of the routes takes more steps than one delivery may take."
    }
  }
  var remedy: String {
    switch self {
    case .unrouted: "Add a route to routes.yaml, apply it and replay the letter, or drop it."
    case .noReceiver: "Enable the source and replay the letter, or correct the route and drop it."
    case .tooMuchWork: "Name fewer fields in routes.yaml, apply it and replay the letter, or drop it."
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
    let receivers: [InstanceID]
    do throws(TooMuchWork) { receivers = try routes.receivers(of: Routes.event(of: delivery), at: name) } catch {
      return try bury(delivery, .tooMuchWork, Self.deadKey(position, nil), state)
    }
    guard !receivers.isEmpty else { return try bury(delivery, .unrouted, Self.deadKey(position, nil), state) }
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
    // An executor takes no deliveries: nobody would ever look at what waits for it.
    guard enabling?["settings"]?["enabled"]?.bool == true, enabling?["manifest"]?["kind"] == "source" else {
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

  /// What has become of a delivery that was led again: who it waits for, and the dead letters that it still is. Neither:
  /// it has been taken in.
  package static func whereabouts(
    ofLetter id: String, in view: any StateView
  ) throws -> (waitsFor: [InstanceID], letters: [JSONValue]) {
    guard let position = Order.delivery(ofLetter: id) else { return ([], []) }
    let receiver = Order.receiver(ofLetter: id)
    let waitsFor = try view.scan(instances).compactMap { InstanceID(rawValue: $0.0) }.filter { name in
      try (receiver ?? name.rawValue) == name.rawValue && view.value(deliveries, key(name.rawValue, position)) != nil
    }
    let letters = try view.scan(
      deadDeliveries, from: key(position), until: key(position.next), reversed: false, countMax: 1_000
    ).filter { row in receiver.map { row.0 == deadKey(position, $0) } ?? true }
    return (waitsFor, letters.compactMap { named($1, $0) })
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
