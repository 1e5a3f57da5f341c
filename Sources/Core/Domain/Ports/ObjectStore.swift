/// Named, immutable objects: ledger tiles, packs and snapshots. Files here; a bucket elsewhere.
package protocol ObjectStore: Sendable {
  /// nil when there is no such object.
  func read(_ path: String) throws -> [UInt8]?
  /// A part of an object: at most `count` bytes from `offset` on, fewer where it ends. nil when there is no such object.
  func read(_ path: String, from offset: Int, count: Int) throws -> [UInt8]?
  /// Bytes of an object; nil when there is none.
  func size(_ path: String) throws -> Int?
  /// Writes every object; all are durable when it returns. Each is whole or absent at any time.
  func write(_ objects: [(path: String, bytes: [UInt8])]) throws
  /// Writes one object that is too large for memory, part by part: it is whole and durable when this returns, and as it was
  /// when `body` throws.
  func write<Result>(_ path: String, by body: (_ append: ([UInt8]) throws -> Void) throws -> Result) throws -> Result
  func list(_ prefix: String) throws -> [String]
  /// Removes an object; one that is not there is no fault.
  func remove(_ path: String) throws
}
