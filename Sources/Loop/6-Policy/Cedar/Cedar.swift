// Policy: policies as text, entities, and a request come in; out goes a decision with the policies that determined it
// and the policies that erred.
// It never reads a clock, draws randomness or asks anybody: the same inputs give the same decision, bit for bit.

/// The [Cedar](https://docs.cedarpolicy.com/policies/syntax-grammar.html) policy language: parsed and evaluated in
/// process. What is not understood is refused when loading, by name and position; it is never evaluated otherwise.
package enum Cedar {
  /// A string whose identity is its bytes. Swift's own equality would take "é" for "e" + U+0301, Cedar's does not.
  package struct Text: Hashable, Sendable, Comparable, ExpressibleByStringLiteral, CustomStringConvertible {
    package let string: String

    package init(_ string: String) { self.string = string }
    package init(stringLiteral value: String) { string = value }
    package var description: String { string }

    package static func == (left: Text, right: Text) -> Bool {
      left.string.utf8.count == right.string.utf8.count && left.string.utf8.elementsEqual(right.string.utf8)
    }
    package static func < (left: Text, right: Text) -> Bool {
      left.string.utf8.lexicographicallyPrecedes(right.string.utf8)
    }
    package func hash(into hasher: inout Hasher) {
      var string = string
      string.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
      hasher.combine(UInt8(0xFF))
    }
  }

  /// The name of an entity: `Type::"id"`.
  package struct EntityUID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// With its namespaces: `Sluice::Account`.
    package let type: Text
    package let id: Text

    package init(type: String, id: String) {
      self.type = Text(type)
      self.id = Text(id)
    }

    package var description: String { "\(type)::\(Cedar.quoted(id.string))" }
    package static func < (left: EntityUID, right: EntityUID) -> Bool {
      left.type == right.type ? left.id < right.id : left.type < right.type
    }
  }

  /// A value of the language. Two values are equal when Cedar's `==` says so.
  package indirect enum Value: Hashable, Sendable {
    case bool(Bool)
    case long(Int64)
    case string(Text)
    case entity(EntityUID)
    case set(Set<Value>)
    case record([Text: Value])
    case decimal(Decimal)
    case ip(IPAddress)
    /// Milliseconds since 1970-01-01 UTC.
    case datetime(Int64)
    /// Milliseconds.
    case duration(Int64)

    /// What a person calls its type.
    package var kind: String {
      switch self {
      case .bool: "a boolean"
      case .long: "a long"
      case .string: "a string"
      case .entity: "an entity"
      case .set: "a set"
      case .record: "a record"
      case .decimal: "a decimal"
      case .ip: "an ipaddr"
      case .datetime: "a datetime"
      case .duration: "a duration"
      }
    }
  }

  /// A string literal that reads back as `text`.
  static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": out += "\\\(scalar)"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F: out += "\\u{\(String(scalar.value, radix: 16))}"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}
