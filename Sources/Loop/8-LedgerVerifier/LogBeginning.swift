import CanonicalJSON
import Cryptography
import Domain

/// What the first entry of a log that was begun by a restore says, read from its published files.
struct LogBeginning {
  /// Folders of logs, as `LogChain` names them.
  let log: String
  let previous: String
  let restoredSize: Int
  let restoredRoot: Digest
  /// Signed notes.
  let published: [UInt8]?
  let alsoPublished: [[UInt8]]

  /// - Parameter read: A file of the log by its path; nil when absent.
  /// - Returns: nil when a file is missing or damaged: whoever verifies the log names which.
  /// - Throws: When the entry is one of another kind, or what it commits to cannot be read.
  static func read(
    size: Int, of origin: String, _ read: (_ path: String) -> [UInt8]?
  ) throws(LedgerFinding) -> LogBeginning? {
    guard let entry = firstEntry(size: size, read), let commitment = EntryFields.commitment(in: entry) else {
      return nil
    }
    guard EntryFields.kind(in: entry) == "epoch" else {
      throw .linkBroken(log: origin, reason: "its first entry does not tell from where it goes on")
    }
    guard let object = read(LogPath.payload(commitment)), SHA256.digest(object) == commitment else { return nil }
    // 32 bytes of salt stand before it.
    guard let value = try? JSONValue(parsing: Array(object.dropFirst(32))), let beginning = LogBeginning(value) else {
      throw .linkBroken(log: origin, reason: "what its first entry commits to cannot be read")
    }
    return beginning
  }

  private static func firstEntry(size: Int, _ read: (_ path: String) -> [UInt8]?) -> ArraySlice<UInt8>? {
    guard
      let bytes = read(LogPath.entries(bundle: 0, width: min(256, size)))
        ?? read(LogPath.entries(bundle: 0, width: 256)), bytes.count > 2
    else { return nil }
    let length = Int(bytes[0]) * 256 + Int(bytes[1])
    return 2 + length <= bytes.count ? bytes[2..<(2 + length)] : nil
  }

  private init?(_ value: JSONValue) {
    func folder(_ value: JSONValue?) -> String? {
      guard let number = value?["number"]?.integer, let id = value?["id"]?.string else { return nil }
      return number == 1 && id.isEmpty ? "" : "epoch-\(number)-\(id)"
    }
    func bytes(_ value: JSONValue?) -> [UInt8]? { (value?.string?.utf8).map(Array.init) }
    guard let log = folder(value["epoch"]), let previous = folder(value["previous"]),
      let size = value["restored"]?["size"]?.integer, size >= 0,
      let root = (value["restored"]?["root"]?.string).flatMap({ Digest(hex: $0) })
    else { return nil }
    let also = (value["alsoPublished"]?.array ?? []).map { bytes($0) }
    guard !also.contains(nil) else { return nil }
    self.log = log
    self.previous = previous
    restoredSize = Int(size)
    restoredRoot = root
    published = bytes(value["published"])
    alsoPublished = also.compactMap(\.self)
  }
}
