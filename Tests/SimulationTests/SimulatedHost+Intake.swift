import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain
import WholeLoop

/// What comes in: pulls from a checkpoint, and deliveries that were pushed. As `ConnectorInstance` does it.
extension SimulatedHost {
  static let source = InstanceID(unchecked: "crm")

  /// Pulls one page of a stream.
  /// - Returns: Whether there was anything.
  @discardableResult
  func pull(_ stream: String, countMax: Int) throws -> Bool {
    let crm = around.crm
    let from = try cursors[stream] ?? durableCursor(stream)
    // Of a record that has changed again, a source may show the newest version alone.
    let changed = crm.log.enumerated().filter { $0.offset >= from && $0.element.stream == stream }
    let page = changed.prefix(countMax)
    let end = page.count < changed.count ? page.last!.offset + 1 : crm.log.count
    let isWhole = page.count == changed.count
    let shown = page.filter { place in
      let isOld = changed.contains { $0.offset > place.offset && $0.element.key == place.element.key }
      return around.setting.showsEveryVersion || !isOld
    }
    let watermark = crm.today.advanced(byDays: -1)
    // What is yet to come of an earlier day has been written: its day is over.
    let checkpoint = IntakeBatch.Checkpoint(
      stateHex: Hex.encode(Array("\(end)".utf8)), stateVersion: 1,
      watermarkMs: isWhole && watermark >= SimulatedCRM.firstDay ? endMs(watermark) : nil)
    try bring(shown.map(\.element), stream, .pull, checkpoint)
    cursors[stream] = end
    trace.note("pulled", "\(stream) to \(end)\(isWhole ? ", whole to \(watermark)" : "")")
    return !page.isEmpty
  }

  private func endMs(_ day: BusinessDay) -> Int64 { Int64(day.number + 1) * 86_400_000 - 1 }

  private func durableCursor(_ stream: String) throws -> Int {
    let stored = try view {
      try FabricStage.checkpoint(of: Self.source, stream: StreamName(unchecked: stream), in: $0)
    }
    guard let stored else { return 0 }
    return Int(String(decoding: Hex.decode(stored.stateHex) ?? [], as: UTF8.self))!
  }

  /// Gives the oldest waiting delivery to the plugin, and takes in what it makes of it.
  /// - Returns: Whether one waited.
  @discardableResult
  func receive() throws -> Bool {
    let oldest = try view {
      try FabricStage.deliveries(for: Self.source, after: .origin, countMax: 1, in: $0)
    }.first
    guard let (position, row) = oldest, let offsets = row["versions"]?.array?.compactMap(\.integer) else {
      return false
    }
    let versions = offsets.map { around.crm.log[Int($0)] }
    trace.note("received", "\(versions.map(\.key).joined(separator: " "))")
    try bring(versions, "opportunities", .delivery(position), nil)
    try settle()
    return true
  }

  /// A webhook: answered once it is durable, so the CRM sends it no more.
  func push(_ offsets: [Int]) throws {
    let body: JSONValue = [
      "instance": .string(Self.source.rawValue), "versions": .array(offsets.map { .integer(Int64($0)) }),
    ]
    disk.journal.submit([try around.entry(.delivery, body)])
    trace.note("pushed", "\(offsets)")
  }

  private func bring(
    _ versions: [SimulatedCRM.Version], _ stream: String, _ origin: IntakeBatch.Origin,
    _ checkpoint: IntakeBatch.Checkpoint?
  ) throws {
    var assembler = IntakeAssembler(
      instance: Self.source, stream: StreamName(unchecked: stream), origin: origin, random: chance.bytes)
    if around.fault == .checkpointsBeforeRecords, let checkpoint {
      assembler.checkpoint(checkpoint)
      try append(&assembler)
    }
    for version in versions {
      if around.fault == .dropsKnownKeys, !knownKeys.insert(version.key).inserted { continue }
      assembler.add([raw(version)])
      // What has come so far may be made durable before the operation ends.
      if chance.percent(10) { try append(&assembler) }
    }
    if let checkpoint { assembler.checkpoint(checkpoint) }
    try append(&assembler)
    if case .delivery = origin { try append([try assembler.empty()]) }
  }

  private func append(_ assembler: inout IntakeAssembler) throws {
    try append(try assembler.take(all: true))
  }

  private func append(_ contents: [IntakeAssembler.NewEntryContent]) throws {
    guard !contents.isEmpty else { return }
    _ = try disk.append(
      contents.map { NewEntry(id: $0.id, kind: .intake, cause: nil, recordedAtMs: around.nowMs, body: $0.body) })
  }

  private func raw(_ version: SimulatedCRM.Version) -> IntakeAssembler.Raw {
    IntakeAssembler.Raw(
      isDelete: version.isDeleted, eventTimeMs: nil, sourceOrdinal: UInt64(version.number),
      key: Array(version.key.utf8), sourceVersion: Array(String(version.number).utf8),
      payload: JSONValue.object(version.fields).canonicalBytes)
  }
}
