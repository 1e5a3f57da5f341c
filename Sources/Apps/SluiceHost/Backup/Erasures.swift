import CanonicalJSON
import Domain
import FileStorage
import Foundation

/// The tenants that were erased: a list that outlives every backup, so that restoring one brings nobody back.
///
/// It stands in the data folder, and again beside the host key, where it survives the folder. A name on it is never used
/// again.
struct Erasures: Codable, Equatable, Sendable {
  struct Erasure: Codable, Equatable, Sendable {
    let tenant: TenantID
    let erasedAtMs: Int64
    let by: UserID
  }
  static let formatVersion = 1
  private(set) var format = Self.formatVersion
  private(set) var erased: [Erasure] = []

  func contains(_ tenant: TenantID) -> Bool { erased.contains { $0.tenant == tenant } }

  mutating func add(_ erasure: Erasure) {
    if !contains(erasure.tenant) { erased.append(erasure) }
  }

  mutating func add(_ other: Erasures) { other.erased.forEach { add($0) } }

  /// - Returns: nil when there is no such file.
  static func read(_ path: String) throws -> Erasures? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    return try parse(try OperatorFile.read(path), path: path)
  }

  static func parse(_ bytes: [UInt8], path: String) throws -> Erasures {
    guard let found = try? JSONValue(parsing: bytes).decode(Erasures.self), found.format == formatVersion else {
      throw ErasuresUnreadable(path: path)
    }
    return found
  }

  var bytes: [UInt8] { get throws { try JSONValue(encoding: self).canonicalBytes + [0x0A] } }

  /// Durable when it returns.
  func write(_ path: String) throws {
    try OperatorFile.writing(path) {
      let folder = (path as NSString).deletingLastPathComponent
      try FileObjectStore(root: folder).write([((path as NSString).lastPathComponent, try bytes)])
    }
  }

  /// Beside the host key; where that is no file of ours (standard input, a systemd credential), beside the data folder.
  static func pathBesideKey(_ hostKeyPath: String, dataFolder: String) -> String {
    let credentials = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"]
    let isElsewhere = hostKeyPath == "-" || credentials.map { hostKeyPath.hasPrefix($0 + "/") } ?? false
    guard isElsewhere else { return hostKeyPath + ".erasures" }
    return URL(fileURLWithPath: dataFolder).standardizedFileURL.resolvingSymlinksInPath().path + ".erasures"
  }
}

package struct ErasuresUnreadable: OperatorError, Equatable {
  let path: String
  package var code: String { "restore.bad_erasures" }
  package var message: String { "\(path) is not a list of erasures that this version of Sluice understands." }
  package var remedy: String { "Restore it from a copy: without it, nobody knows which tenants must not come back." }
}
