import CanonicalJSON
import Cryptography
package import Domain

/// Gathers what one operation emits into journal entries: as large as useful, never larger than the journal takes, each
/// checkpoint in the entry that ends with the records before it.
package struct IntakeAssembler {
  /// One record as it left the plugin.
  package struct Raw: Sendable {
    package let isDelete: Bool
    package let eventTimeMs: Int64?
    package let sourceOrdinal: UInt64
    package let key: [UInt8]
    package let sourceVersion: [UInt8]
    package let payload: [UInt8]
    package init(
      isDelete: Bool, eventTimeMs: Int64?, sourceOrdinal: UInt64, key: [UInt8], sourceVersion: [UInt8],
      payload: [UInt8]
    ) {
      self.isDelete = isDelete
      self.eventTimeMs = eventTimeMs
      self.sourceOrdinal = sourceOrdinal
      self.key = key
      self.sourceVersion = sourceVersion
      self.payload = payload
    }
  }

  private let instance: InstanceID
  private let stream: StreamName
  private let origin: IntakeBatch.Origin
  private let batchBytesMax: Int
  private let random: (Int) -> [UInt8]
  /// `committedBytes` of each record: laid out once, for its commitment and for the entry's body.
  private var records: [[UInt8]] = []
  private var bytes = 0
  private var finished: [(header: IntakeBatch.Header, records: [[UInt8]])] = []

  package init(
    instance: InstanceID, stream: StreamName, origin: IntakeBatch.Origin, batchBytesMax: Int = 640 << 10,
    random: @escaping (Int) -> [UInt8]
  ) {
    self.instance = instance
    self.stream = stream
    self.origin = origin
    self.batchBytesMax = batchBytesMax
    self.random = random
  }

  package mutating func add(_ raws: [Raw]) {
    let salts = random(raws.count * IntakeRecord.saltByteCount)
    for (i, raw) in raws.enumerated() {
      // A payload that is no JSON is kept as it came; perception turns it into a dead letter with its reason.
      let canonical = raw.isDelete && raw.payload.isEmpty ? [] : try? canonicalJSON(raw.payload)
      let payload = canonical ?? raw.payload
      let size = 80 + payload.count + raw.key.count + raw.sourceVersion.count
      if bytes + size > batchBytesMax { cut(checkpoint: nil) }
      records.append(
        IntakeRecord.committedBytes(
          salt: salts[(i * IntakeRecord.saltByteCount)..<((i + 1) * IntakeRecord.saltByteCount)],
          operation: raw.isDelete ? .delete : .upsert, isJSON: canonical != nil, eventTimeMs: raw.eventTimeMs,
          sourceOrdinal: raw.sourceOrdinal, key: Self.utf8(raw.key), sourceVersion: Self.utf8(raw.sourceVersion),
          payload: payload))
      bytes += size
    }
  }

  /// It is in the entry with the records before it, or in one of its own behind them where both together are too much for
  /// one: the state may have 256 KiB, twice as many in hexadecimal digits.
  package mutating func checkpoint(_ checkpoint: IntakeBatch.Checkpoint) {
    if bytes + checkpoint.stateHex.utf8.count > batchBytesMax { cut(checkpoint: nil) }
    cut(checkpoint: checkpoint)
  }

  /// What is complete: entries to append, in order. `all` also takes records that no checkpoint follows yet.
  package mutating func take(all: Bool) throws -> [NewEntryContent] {
    if all, !records.isEmpty { cut(checkpoint: nil) }
    defer { finished = [] }
    return try finished.map { try content($0.header, $0.records) }
  }

  /// A batch without records: the end of a delivery.
  /// - Parameter failure: Why the plugin cannot take it; nil when it has.
  package func empty(failure: String? = nil) throws -> NewEntryContent {
    try content(.init(instance: instance, stream: stream, origin: origin, checkpoint: nil, failure: failure), [])
  }

  private func content(_ header: IntakeBatch.Header, _ records: [[UInt8]]) throws -> NewEntryContent {
    let headerJSON = try JSONValue(encoding: header).canonicalBytes
    return NewEntryContent(
      id: StableID.batch(headerJSON: headerJSON + random(16), committed: records),
      body: IntakeBatch.encoded(headerJSON: headerJSON, committed: records), recordCount: records.count)
  }

  package struct NewEntryContent: Sendable {
    package let id: Digest
    package let body: [UInt8]
    package let recordCount: Int
    package init(id: Digest, body: [UInt8], recordCount: Int) {
      self.id = id
      self.body = body
      self.recordCount = recordCount
    }
  }

  private mutating func cut(checkpoint: IntakeBatch.Checkpoint?) {
    guard !records.isEmpty || checkpoint != nil else { return }
    finished.append(
      (.init(instance: instance, stream: stream, origin: origin, checkpoint: checkpoint), records))
    records = []
    bytes = 0
  }

  /// What is no UTF-8 is repaired, as keys and versions are text from here on.
  private static func utf8(_ bytes: [UInt8]) -> [UInt8] {
    String(validating: bytes, as: UTF8.self) != nil ? bytes : Array(String(decoding: bytes, as: UTF8.self).utf8)
  }
}
