/// Seals what is stored with the key of the tenant it belongs to.
package protocol Sealer: Sendable {
  /// - Parameter context: Bound to the result: opening needs the same bytes.
  func seal(_ plaintext: [UInt8], for partition: Partition, context: [UInt8]) throws -> [UInt8]
  func open(_ sealed: [UInt8], for partition: Partition, context: [UInt8]) throws -> [UInt8]
}
