import CanonicalJSON
import ConnectorFabric
import Domain
import Testing

@Suite struct `Records on their way into entries` {
  private func taken(recordBytes: Int, _ count: Int, stateBytes: Int) throws -> [IntakeBatch] {
    var assembler = IntakeAssembler(
      instance: InstanceID(rawValue: "crm")!, stream: StreamName(rawValue: "deals")!, origin: .pull,
      random: { [UInt8](repeating: 7, count: $0) })
    let payload = Array("{\"x\":\"\(String(repeating: "x", count: recordBytes))\"}".utf8)
    assembler.add(
      (0..<count).map {
        IntakeAssembler.Raw(
          isDelete: false, eventTimeMs: nil, sourceOrdinal: 1, key: Array("k\($0)".utf8), sourceVersion: [],
          payload: payload)
      })
    assembler.checkpoint(
      IntakeBatch.Checkpoint(
        stateHex: String(repeating: "ab", count: stateBytes), stateVersion: 1, watermarkMs: nil))
    let entries = try assembler.take(all: true)
    #expect(entries.allSatisfy { $0.body.count < 1 << 20 })
    return try entries.map {
      let (header, records) = try IntakeBatch.decode($0.body)
      return IntakeBatch(header: try JSONValue(parsing: header).decode(), records: records)
    }
  }

  @Test(arguments: [(1_000, 3, 20, 1), (60_000, 10, 256 << 10, 2), (500_000, 1, 256 << 10, 2), (60_000, 30, 100, 3)])
  func `fit into entries with the checkpoint behind the last of them, whatever both are`(
    recordBytes: Int, count: Int, stateBytes: Int, entries: Int
  ) throws {
    let batches = try taken(recordBytes: recordBytes, count, stateBytes: stateBytes)
    #expect(batches.count == entries)
    #expect(batches.map { $0.records.count }.reduce(0, +) == count)
    #expect(batches.map { $0.header.checkpoint != nil } == [Bool](repeating: false, count: entries - 1) + [true])
  }
}
