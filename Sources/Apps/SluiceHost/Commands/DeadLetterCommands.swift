import CanonicalJSON
import ConnectorFabric
import Domain
import Identity
import Perception

extension HostCommand {
  static let deadLetterCommands: [HostCommand] = [
    HostCommand(
      "deadletter.list", "List deliveries and records that did not fit, with the reason", role: .auditor,
      takes: [.number("limit")]
    ) {
      call in
      let limit = try call.limit()
      return try await call.view { view in
        let deliveries = try FabricStage.deadDeliveries(in: view, countMax: limit)
        let records = try PerceptionQueries(view).deadLetters(countMax: limit - deliveries.count)
        return .array((deliveries + records).map(letterRow))
      }
    },
    HostCommand(
      "deadletter.show", "Show a dead letter with everything that was kept of it", role: .auditor, takes: [.text("id")]
    ) { call in
      try await call.deadLetter().content
    },
    HostCommand(
      "deadletter.drop", "Give a dead letter up; what came stays in the journal", role: .operator, takes: [.text("id")]
    ) { call in
      try await call.order(.dropDeadLetter, target: try call.deadLetter().id, argument: nil)
    },
    HostCommand(
      "deadletter.replay", "Try a delivery or record again that did not fit", role: .operator, takes: [.text("id")]
    ) { call in
      let letter = try await call.deadLetter()
      _ = try await call.order(.replayDeadLetter, target: letter.id, argument: nil)
      if letter.isDelivery {
        let (waitsFor, left) = try await call.view { try FabricStage.whereabouts(ofLetter: letter.id, in: $0) }
        await call.host.wakeReceivers(of: try call.tenant())
        // Their plugins take it in their own time: whether it fits shows in the list.
        let isTaken: JSONValue = waitsFor.isEmpty ? .bool(left.isEmpty) : .null
        return [
          "id": .string(letter.id), "taken": isTaken, "given_to": .array(waitsFor.map { .string($0.rawValue) }),
          "left": .array(left.map { $0["id"] ?? .null }), "reason": left.first?["reason"] ?? .null,
          "remedy": left.first?["remedy"] ?? .null,
        ]
      }
      let left = try await call.view { try PerceptionQueries($0).deadLetter(letter.id) }
      return [
        "id": .string(letter.id), "taken": .bool(left == nil), "reason": left?["reason"] ?? .null,
        "remedy": left?["remedy"] ?? .null,
      ]
    },
  ]

  private static func letterRow(_ letter: JSONValue) -> JSONValue {
    let names = ["id", "instance", "stream", "key", "version", "code", "reason", "remedy", "attempts"]
    return .object(Dictionary(uniqueKeysWithValues: names.map { ($0, letter[$0] ?? .null) }))
  }
}

extension HostCommand.Call {
  fileprivate struct Letter {
    let id: String
    let content: JSONValue
    /// Whether it is a whole delivery, not a record.
    let isDelivery: Bool
  }

  fileprivate func deadLetter() async throws -> Letter {
    let id = try string("id")
    if let delivery = try await view({ try FabricStage.deadDelivery(id, in: $0) }) {
      return Letter(id: id, content: delivery, isDelivery: true)
    }
    guard let record = try await view({ try PerceptionQueries($0).deadLetter(id) }) else {
      throw HostError.unknown("the dead letter \(id)", list: "deadletter list")
    }
    return Letter(id: id, content: record, isDelivery: false)
  }
}
