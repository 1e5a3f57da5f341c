/// Named, immutable objects: ledger tiles now, packs and archives later. Files here; a bucket elsewhere.
package protocol ObjectStore: Sendable {
  /// nil when there is no such object.
  func read(_ path: String) throws -> [UInt8]?
  /// Writes every object; all are durable when it returns. Each is whole or absent at any time.
  func write(_ objects: [(path: String, bytes: [UInt8])]) throws
  func list(_ prefix: String) throws -> [String]
}
