/// Records of one stream as one journal entry, with the checkpoint that follows them.
///
/// The persisted layout, little-endian, version 1:
///
///     "SLB1"  u32 headerBytes  header (canonical JSON)  u32 recordCount  record*
///     record: u32 bytes  16 salt  u8 op  u8 flags  u16 keyBytes  u16 versionBytes  u16 0  u32 payloadBytes
///             i64 eventTimeMs  u64 sourceOrdinal  key  version  payload
///
/// `bytes` counts everything after itself. A record's commitment is SHA-256 of salt and all that follows it, so salt
/// and record can be replaced by the commitment when a person is erased, and every proof stands.
package struct IntakeBatch: Sendable, Equatable {
  package struct Header: Codable, Sendable, Equatable {
    package var instance: InstanceID
    package var stream: StreamName
    /// What brought the records: a scheduled pull, or a delivery that was pushed.
    package var origin: Origin
    package var checkpoint: Checkpoint?
    /// Why a delivery was given up: its plugin cannot take it. Only in a batch that brings nothing.
    package var failure: String?

    package init(
      instance: InstanceID, stream: StreamName, origin: Origin, checkpoint: Checkpoint?, failure: String? = nil
    ) {
      self.instance = instance
      self.stream = stream
      self.origin = origin
      self.checkpoint = checkpoint
      self.failure = failure
    }
  }

  package enum Origin: Codable, Sendable, Equatable {
    case pull
    /// The journal position of the delivery.
    case delivery(Position)
  }

  /// Where the source goes on, and up to which business time it is complete.
  package struct Checkpoint: Codable, Sendable, Equatable {
    /// The plugin's own bytes, as hexadecimal.
    package var stateHex: String
    package var stateVersion: Int
    /// Milliseconds since 1970: everything up to here has been delivered. Nil when the source does not say.
    package var watermarkMs: Int64?

    package init(stateHex: String, stateVersion: Int, watermarkMs: Int64?) {
      self.stateHex = stateHex
      self.stateVersion = stateVersion
      self.watermarkMs = watermarkMs
    }
  }

  package var header: Header
  package var records: [IntakeRecord]

  package init(header: Header, records: [IntakeRecord]) {
    self.header = header
    self.records = records
  }
}

/// One record as a plugin gave it: a key, a version, and JSON in canonical form.
package struct IntakeRecord: Sendable, Equatable {
  package enum Operation: UInt8, Sendable { case upsert = 1, delete = 2 }

  package var salt: [UInt8]
  package var operation: Operation
  /// False when the plugin's payload was no JSON that can be kept: `payload` then holds the raw bytes.
  package var isJSON: Bool
  package var eventTimeMs: Int64?
  /// Orders the versions of one key.
  package var sourceOrdinal: UInt64
  package var key: String
  package var sourceVersion: String
  package var payload: [UInt8]

  package init(
    salt: [UInt8], operation: Operation, isJSON: Bool, eventTimeMs: Int64?, sourceOrdinal: UInt64, key: String,
    sourceVersion: String, payload: [UInt8]
  ) {
    precondition(salt.count == IntakeRecord.saltByteCount, "a salt has \(IntakeRecord.saltByteCount) bytes")
    self.salt = salt
    self.operation = operation
    self.isJSON = isJSON
    self.eventTimeMs = eventTimeMs
    self.sourceOrdinal = sourceOrdinal
    self.key = key
    self.sourceVersion = sourceVersion
    self.payload = payload
  }

  package static let saltByteCount = 16

  /// Salt and everything that is committed to, in the persisted layout.
  package var committedBytes: [UInt8] {
    Self.committedBytes(
      salt: salt[...], operation: operation, isJSON: isJSON, eventTimeMs: eventTimeMs, sourceOrdinal: sourceOrdinal,
      key: Array(key.utf8), sourceVersion: Array(sourceVersion.utf8), payload: payload)
  }

  /// The same without making a record first: for the hot path of intake.
  /// - Parameters:
  ///   - salt: `saltByteCount` bytes.
  ///   - key: UTF-8, as is `sourceVersion`.
  package static func committedBytes(
    salt: ArraySlice<UInt8>, operation: Operation, isJSON: Bool, eventTimeMs: Int64?, sourceOrdinal: UInt64,
    key: [UInt8], sourceVersion: [UInt8], payload: [UInt8]
  ) -> [UInt8] {
    precondition(salt.count == saltByteCount, "a salt has \(saltByteCount) bytes")
    var out = ByteWriter(reserving: 44 + key.count + sourceVersion.count + payload.count)
    out.bytes(salt)
    out.u8(operation.rawValue)
    out.u8(isJSON ? 0 : 1)
    out.u16(UInt16(key.count))
    out.u16(UInt16(sourceVersion.count))
    out.u16(0)
    out.u32(UInt32(payload.count))
    out.u64(UInt64(bitPattern: eventTimeMs ?? .min))
    out.u64(sourceOrdinal)
    out.bytes(key)
    out.bytes(sourceVersion)
    out.bytes(payload)
    return out.written
  }
}

extension IntakeBatch {
  static let magic = Array("SLB1".utf8)

  /// - Parameters:
  ///   - headerJSON: The header in canonical form.
  ///   - committed: `committedBytes` of each record, in order.
  package static func encoded(headerJSON: [UInt8], committed: [[UInt8]]) -> [UInt8] {
    var out = ByteWriter(reserving: 64 + headerJSON.count + committed.reduce(0) { $0 + 4 + $1.count })
    out.bytes(IntakeBatch.magic)
    out.u32(UInt32(headerJSON.count))
    out.bytes(headerJSON)
    out.u32(UInt32(committed.count))
    for bytes in committed {
      out.u32(UInt32(bytes.count))
      out.bytes(bytes)
    }
    return out.written
  }

  /// The header's JSON, and how many records follow; the records are not looked at.
  package static func summary(of bytes: [UInt8]) throws(LayoutError) -> (headerJSON: [UInt8], recordCount: Int) {
    var input = ByteReader(bytes)
    return (try headerJSON(&input), Int(try input.u32()))
  }

  private static func headerJSON(_ input: inout ByteReader) throws(LayoutError) -> [UInt8] {
    guard try input.bytes(4) == magic else { throw LayoutError(format: "intake batch", offset: 0) }
    return try input.bytes(Int(try input.u32()))
  }

  /// Splits an encoded batch into its header's JSON and its records.
  package static func decode(_ bytes: [UInt8]) throws(LayoutError) -> (headerJSON: [UInt8], records: [IntakeRecord]) {
    var input = ByteReader(bytes)
    let headerJSON = try headerJSON(&input)
    let count = Int(try input.u32())
    var records: [IntakeRecord] = []
    records.reserveCapacity(min(count, 4096))
    for _ in 0..<count {
      let length = Int(try input.u32())
      let end = input.offset + length
      records.append(try record(&input))
      guard input.offset == end else { throw LayoutError(format: "intake record", offset: input.offset) }
    }
    guard input.isAtEnd else { throw LayoutError(format: "intake batch", offset: input.offset) }
    return (headerJSON, records)
  }

  private static func record(_ input: inout ByteReader) throws(LayoutError) -> IntakeRecord {
    let salt = try input.bytes(IntakeRecord.saltByteCount)
    guard let operation = IntakeRecord.Operation(rawValue: try input.u8()) else {
      throw LayoutError(format: "intake record", offset: input.offset)
    }
    let flags = try input.u8()
    let keyBytes = Int(try input.u16())
    let versionBytes = Int(try input.u16())
    guard flags <= 1, try input.u16() == 0 else { throw LayoutError(format: "intake record", offset: input.offset) }
    let payloadBytes = Int(try input.u32())
    let time = Int64(bitPattern: try input.u64())
    let ordinal = try input.u64()
    return IntakeRecord(
      salt: salt, operation: operation, isJSON: flags == 0, eventTimeMs: time == .min ? nil : time,
      sourceOrdinal: ordinal, key: try input.text(keyBytes), sourceVersion: try input.text(versionBytes),
      payload: try input.bytes(payloadBytes))
  }
}
