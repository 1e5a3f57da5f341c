/// A name that operators type and files, rows and URLs carry: `[a-z0-9][a-z0-9._-]*`, at most 63 bytes.
package protocol Name: Hashable, Comparable, Sendable, Codable, CustomStringConvertible, RawRepresentable
where RawValue == String {
  init(unchecked: String)
  /// What a person calls it, for error messages.
  static var noun: String { get }
}

extension Name {
  package init?(rawValue: String) {
    let bytes = Array(rawValue.utf8)
    func isAlphanumeric(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) }
    guard let first = bytes.first, isAlphanumeric(first), bytes.count <= 63,
      bytes.allSatisfy({ isAlphanumeric($0) || $0 == 0x2E || $0 == 0x5F || $0 == 0x2D })
    else { return nil }
    self.init(unchecked: rawValue)
  }

  /// - Throws: `NameError` that shows the offending text and says what is allowed.
  package init(parsing text: String) throws(NameError) {
    guard let name = Self(rawValue: text) else { throw NameError(noun: Self.noun, text: text) }
    self = name
  }

  package init(from decoder: any Decoder) throws {
    self = try Self(parsing: try decoder.singleValueContainer().decode(String.self))
  }
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }
  package var description: String { rawValue }
  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

package struct NameError: OperatorError, Equatable {
  let noun: String
  let text: String
  package var code: String { "domain.bad_name" }
  package var message: String { "\"\(text.prefix(80))\" cannot be the name of \(noun)." }
  package var remedy: String { "Use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit." }
}

/// A customer of this installation. Every record, call and row carries one; no query crosses two.
package struct TenantID: Name {
  package let rawValue: String
  package init(unchecked: String) { rawValue = unchecked }
  package static var noun: String { "a tenant" }
}

/// One enabled connector of one tenant.
package struct InstanceID: Name {
  package let rawValue: String
  package init(unchecked: String) { rawValue = unchecked }
  package static var noun: String { "a connector instance" }
}

/// One kind of record that a connector delivers.
package struct StreamName: Name {
  package let rawValue: String
  package init(unchecked: String) { rawValue = unchecked }
  package static var noun: String { "a stream" }
}

/// A place for one secret of an instance.
package struct SlotName: Name {
  package let rawValue: String
  package init(unchecked: String) { rawValue = unchecked }
  package static var noun: String { "a slot" }
}

/// Someone who signs in: an approver, an operator, an auditor.
package struct UserID: Name {
  package let rawValue: String
  package init(unchecked: String) { rawValue = unchecked }
  package static var noun: String { "a user" }
}
