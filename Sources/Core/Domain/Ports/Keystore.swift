/// Where wrapped keys and sealed secrets rest: small, durable at once, and never in a backup of the data without its key.
package protocol Keystore: Sendable {
  func value(_ name: String) throws -> [UInt8]?
  /// Durable when it returns.
  func set(_ name: String, _ value: [UInt8]) throws
  func remove(_ name: String) throws
  func names(withPrefix prefix: String) throws -> [String]
}
