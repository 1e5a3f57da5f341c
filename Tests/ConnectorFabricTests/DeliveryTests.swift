import CanonicalJSON
import ConnectorFabric
import Domain
import MemoryStorage
import TestKit
import Testing

@Suite struct `A delivery` {
  // Found by the simulator: a host that died between two entries of one delivery never took in the rest.
  @Test func `waits until everything that came of it is taken in, in however many entries`() throws {
    let store = MemoryStateStore()
    let fabric = FabricStage()
    var journal = MemoryJournalLine()
    func apply(_ entry: Entry) throws { _ = try store.transaction { try fabric.apply(entry, to: $0) } }
    func waiting() throws -> Int { try store.view { try $0.scan(FabricStage.deliveries).count } }

    let delivery = try journal.append(.delivery, ["instance": "crm", "body": "two deals"] as JSONValue)
    try apply(delivery)
    var assembler = IntakeAssembler(
      instance: InstanceID(unchecked: "crm"), stream: StreamName(unchecked: "opportunities"),
      origin: .delivery(delivery.position), random: { Array(repeating: 0, count: $0) })
    for key in ["D1", "D2"] {
      assembler.add([
        .init(
          isDelete: false, eventTimeMs: nil, sourceOrdinal: 1, key: Array(key.utf8), sourceVersion: [0x31],
          payload: Array("{}".utf8))
      ])
      for content in try assembler.take(all: true) { try apply(journal.append(.intake, body: content.body)) }
      #expect(try waiting() == 1)
    }
    try apply(journal.append(.intake, body: assembler.empty().body))
    #expect(try waiting() == 0)
  }

  @Test func `is counted by the instance that it waits for, with the time at which the first of them came`() throws {
    let (store, fabric) = (MemoryStateStore(), FabricStage())
    var journal = MemoryJournalLine()
    func backlog(countMax: Int = 10) throws -> [String] {
      try store.view { try FabricStage.backlog(in: $0, countMax: countMax) }
        .map { "\($0.instance) \($0.count) \($0.oldestAtMs ?? -1)" }
    }
    #expect(try backlog() == [])
    for (instance, atMs) in [("crm", 70), ("billing", 80), ("crm-2", 85), ("crm", 90), ("crm", 60)] as [(String, Int64)]
    {
      let entry = try journal.append(
        .delivery, ["instance": .string(instance), "received_at_ms": .integer(atMs)] as JSONValue)
      _ = try store.transaction { try fabric.apply(entry, to: $0) }
    }
    #expect(try backlog() == ["billing 1 80", "crm-2 1 85", "crm 3 70"])
    #expect(try backlog(countMax: 2).contains("crm 2 70"))
  }
}
