import SluiceKit

/// Which of two states of an object is the newer one. Stripe numbers no versions: an object's state is as of an event, or
/// as of a list.
///
/// The number is the second, then what orders events of one second: what makes an object, what changes it, what ends it.
/// Behind that stand bits of the content, so that two states never bear one number, and one state bears one.
struct Version: Equatable {
  enum Rank: UInt64 { case made = 0, changed, ended }
  private static let secondsMax: Int64 = 1 << 32
  private static let hashBits: UInt64 = 18

  let ordinal: UInt64

  /// - Returns: nil for a time that is none.
  init?(seconds: Int64, rank: Rank, content: [UInt8]) {
    guard (0..<Self.secondsMax).contains(seconds) else { return nil }
    ordinal = UInt64(seconds) << 20 | rank.rawValue << Self.hashBits | Self.hash(content) >> (64 - Self.hashBits)
  }

  /// FNV-1a, 64 bits.
  private static func hash(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
  }
}

/// An object of a list, at least as new as the newest event before the list was begun.
struct Listed {
  let record: Record

  /// - Parameter snapshot: when that event happened, in seconds since 1970.
  init(_ json: JSON, snapshot: Int64) throws {
    let content = json.bytes
    guard let id = json["id"]?.string, (1...1024).contains(id.utf8.count),
      let version = Version(seconds: max(snapshot, json["created"]?.integer ?? 0), rank: .made, content: content)
    else { throw JSONError(offset: 0, reason: "an object without `id`, or with a `created` that is no time") }
    record = Record(key: id, payload: content, sourceOrdinal: version.ordinal, sourceVersion: "list-\(version.ordinal)")
  }
}

/// What happened to one object: `{"id":"evt_…","type":…,"created":…,"data":{"object":{…}}}`.
struct Event {
  let id: String
  let type: String
  /// In seconds since 1970.
  let created: Int64
  private let object: JSON

  init(_ json: JSON) throws {
    guard let id = json["id"]?.string, (1...256).contains(id.utf8.count), let type = json["type"]?.string,
      let created = json["created"]?.integer, (0..<(1 << 32)).contains(created), let object = json["data"]?["object"]
    else { throw JSONError(offset: 0, reason: "an object without `id`, `type`, `created` or `data.object`") }
    self.id = id
    self.type = type
    self.created = created
    self.object = object
  }

  /// What it says of an object that has a stream; nil for everything else, such as an invoice that is only announced and
  /// has no id.
  var record: (StripeStream, Record)? {
    guard let stream = object["object"]?.string.flatMap({ StripeStream(object: $0) }),
      let key = object["id"]?.string, (1...1024).contains(key.utf8.count)
    else { return nil }
    let isGone = type == stream.deletion
    let rank: Version.Rank =
      isGone || type.hasSuffix(".deleted") ? .ended : type.hasSuffix(".created") ? .made : .changed
    let content = object.bytes
    guard let version = Version(seconds: created, rank: rank, content: content) else { return nil }
    let record = Record(
      key: key, operation: isGone ? .delete : .upsert, payload: content, eventTimeMs: created * 1_000,
      sourceOrdinal: version.ordinal, sourceVersion: id)
    return (stream, record)
  }
}
