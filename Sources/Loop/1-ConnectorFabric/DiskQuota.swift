import CanonicalJSON
package import Domain

/// How much of the host's disk a tenant may use before its intake pauses, where somebody has said so for this tenant.
package struct DiskQuota: Codable, Equatable, Sendable {
  /// nil: as much as there is, whatever the host's default.
  package let bytes: Int64?

  /// `tenant` → the quota; no row where the host's default counts.
  package static let space = Space("fabric.disk_quota")
  private static let key = "tenant"
  package static let bytesMax: Int64 = 1 << 60

  package init(bytes: Int64?) { self.bytes = bytes }

  /// - Returns: nil where the host's default counts.
  package static func of(_ view: any StateView) throws -> DiskQuota? { try view.value(space, key)?.decode() }

  static func follow(_ order: Order, _ state: any StateTransaction) throws {
    switch QuotaArgument(order.argument, max: bytesMax) {
    case .standard: try state.remove(space, key)
    case .unlimited: try state.set(space, key, try JSONValue(encoding: DiskQuota(bytes: nil)))
    case .amount(let bytes): try state.set(space, key, try JSONValue(encoding: DiskQuota(bytes: bytes)))
    }
  }

  /// A size as people write it: `10GiB`, `500MB`, a number of bytes.
  /// - Returns: nil for what is no size, or none that a quota can have.
  package static func size(_ text: String) -> Int64? {
    guard let (number, unit) = parts(text), let number = Int64(number) else { return nil }
    let (bytes, isTooLarge) = number.multipliedReportingOverflow(by: unit)
    return isTooLarge || bytes > bytesMax ? nil : bytes
  }

  /// Whether a text is a size that no quota can have.
  package static func isTooLarge(_ text: String) -> Bool { parts(text) != nil && size(text) == nil }

  private static func parts(_ text: String) -> (digits: Substring, unit: Int64)? {
    let units: [(String, Int64)] = [
      ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("tib", 1 << 40), ("kb", 1_000), ("mb", 1_000_000),
      ("gb", 1_000_000_000), ("tb", 1_000_000_000_000), ("b", 1),
    ]
    let lower = text.lowercased()[...]
    let unit = units.first { lower.hasSuffix($0.0) } ?? ("", 1)
    let digits = lower.dropLast(unit.0.utf8.count)
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return (digits, unit.1)
  }
}
