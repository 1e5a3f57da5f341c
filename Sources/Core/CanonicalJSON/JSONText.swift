// CanonicalJSON: bytes ↔ JSONValue, the canonical form of RFC 8785, and Swift values as canonical JSON. Parsing is
// simdjson's; what it accepts is I-JSON (RFC 7493) without exceptions.

internal import CSimdJSON
import Domain

/// Why bytes are not JSON that Sluice can keep.
package enum JSONError: OperatorError, Equatable {
  case malformed
  case duplicateKey
  case numberOutOfRange
  case tooDeep(limit: Int)
  case outOfMemory

  package var code: String {
    switch self {
    case .malformed: "json.malformed"
    case .duplicateKey: "json.duplicate_key"
    case .numberOutOfRange: "json.number_out_of_range"
    case .tooDeep: "json.too_deep"
    case .outOfMemory: "json.out_of_memory"
    }
  }
  package var message: String {
    switch self {
    case .malformed: "The bytes are not a JSON document in UTF-8."
    case .duplicateKey: "An object holds the same key twice, so its meaning is ambiguous."
    case .numberOutOfRange: "A number is miswritten or not finite, or an integer lies beyond ±(2^53 − 1)."
    case .tooDeep(let limit): "The document nests deeper than \(limit) levels."
    case .outOfMemory: "There was no memory for the document."
    }
  }
  package var remedy: String {
    switch self {
    case .malformed: "Look at the sender; nothing was stored."
    case .duplicateKey: "The sender must give each key once."
    case .numberOutOfRange: "The sender must give large identifiers as strings."
    case .tooDeep: "The sender must nest less deeply."
    case .outOfMemory: "Give the host more memory or lower the record size limit."
    }
  }

  init(_ status: sluice_json_status) {
    switch status {
    case SLUICE_JSON_DUPLICATE_KEY: self = .duplicateKey
    case SLUICE_JSON_NUMBER_OUT_OF_RANGE: self = .numberOutOfRange
    case SLUICE_JSON_TOO_DEEP: self = .tooDeep(limit: Int(SLUICE_JSON_DEPTH_MAX))
    case SLUICE_JSON_OUT_OF_MEMORY: self = .outOfMemory
    default: self = .malformed
    }
  }
}

extension JSONValue {
  /// Reads one JSON document.
  package init(parsing bytes: [UInt8]) throws(JSONError) {
    var document: OpaquePointer?
    let status = sluice_json_parse(bytes, bytes.count, &document)
    guard status == SLUICE_JSON_OK, let document else { throw JSONError(status) }
    defer { sluice_json_free(document) }
    var count = 0
    var next = sluice_json_tokens(document, &count)!
    var isAmbiguous = false
    self = JSONValue.read(&next, &isAmbiguous)
    if isAmbiguous { throw .duplicateKey }
  }

  package init(parsing text: String) throws(JSONError) { try self.init(parsing: Array(text.utf8)) }

  /// - Parameter isAmbiguous: Set when two keys differ only in their Unicode normal form: Swift takes them for one.
  private static func read(
    _ next: inout UnsafePointer<sluice_json_token>, _ isAmbiguous: inout Bool
  ) -> JSONValue {
    let token = next.pointee
    next += 1
    switch sluice_json_kind(token.kind) {
    case SLUICE_JSON_NULL: return .null
    case SLUICE_JSON_FALSE: return .bool(false)
    case SLUICE_JSON_TRUE: return .bool(true)
    case SLUICE_JSON_INTEGER: return .integer(token.integer)
    case SLUICE_JSON_DOUBLE: return .double(token.number)
    case SLUICE_JSON_STRING: return .string(text(token))
    case SLUICE_JSON_ARRAY:
      var items: [JSONValue] = []
      items.reserveCapacity(Int(token.count))
      for _ in 0..<token.count { items.append(read(&next, &isAmbiguous)) }
      return .array(items)
    default:
      var members: [String: JSONValue] = [:]
      members.reserveCapacity(Int(token.count))
      for _ in 0..<token.count {
        let key = text(next.pointee)
        next += 1
        members[key] = read(&next, &isAmbiguous)
      }
      if members.count != Int(token.count) { isAmbiguous = true }
      return .object(members)
    }
  }

  private static func text(_ token: sluice_json_token) -> String {
    String(
      decoding: UnsafeRawBufferPointer(start: token.text, count: Int(token.count)), as: UTF8.self)
  }

  /// The canonical form (RFC 8785): keys by UTF-16 code units, numbers as ECMAScript writes them, no white space.
  package var canonicalBytes: [UInt8] {
    var out: [UInt8] = []
    write(to: &out)
    return out
  }

  /// The canonical form as text.
  package var canonicalText: String { String(decoding: canonicalBytes, as: UTF8.self) }

  private func write(to out: inout [UInt8]) {
    switch self {
    case .null: out += "null".utf8
    case .bool(let value): out += (value ? "true" : "false").utf8
    case .integer(let value): out += String(value).utf8
    case .double(let value): out += JSONValue.number(value)
    case .string(let value): JSONValue.write(value, to: &out)
    case .array(let items):
      out.append(UInt8(ascii: "["))
      for (i, item) in items.enumerated() {
        if i > 0 { out.append(UInt8(ascii: ",")) }
        item.write(to: &out)
      }
      out.append(UInt8(ascii: "]"))
    case .object(let members):
      out.append(UInt8(ascii: "{"))
      for (i, member) in members.sorted(by: { JSONValue.precedes($0.key, $1.key) }).enumerated() {
        if i > 0 { out.append(UInt8(ascii: ",")) }
        JSONValue.write(member.key, to: &out)
        out.append(UInt8(ascii: ":"))
        member.value.write(to: &out)
      }
      out.append(UInt8(ascii: "}"))
    }
  }

  /// Canonical key order: UTF-16 code units. UTF-8 has the same order below U+E000, where nearly all keys are.
  private static func precedes(_ left: String, _ right: String) -> Bool {
    let inUTF8 = left.utf8.withContiguousStorageIfAvailable { left in
      right.utf8.withContiguousStorageIfAvailable { right -> Bool? in
        for (a, b) in zip(left, right) where a != b {
          return a < 0xEE && b < 0xEE ? a < b : nil
        }
        return left.count < right.count
      }
    }
    return inUTF8.flatMap { $0 }?.flatMap { $0 } ?? left.utf16.lexicographicallyPrecedes(right.utf16)
  }

  private static func number(_ value: Double) -> [UInt8] {
    precondition(value.isFinite, "JSON has no number for \(value)")
    var text = [CChar](repeating: 0, count: 32)
    let length = sluice_json_write_number(value, &text)
    return text.prefix(length).map { UInt8(bitPattern: $0) }
  }

  private static func write(_ text: String, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    var text = text
    text.withUTF8 { write($0, to: &out) }
    out.append(UInt8(ascii: "\""))
  }

  private static func write(_ text: UnsafeBufferPointer<UInt8>, to out: inout [UInt8]) {
    var kept = 0  // everything before is written
    for (i, byte) in text.enumerated() where byte < 0x20 || byte == 0x22 || byte == 0x5C {
      out += text[kept..<i]
      kept = i + 1
      switch byte {
      case UInt8(ascii: "\""): out += [0x5C, 0x22]
      case UInt8(ascii: "\\"): out += [0x5C, 0x5C]
      case 0x08: out += "\\b".utf8
      case 0x0C: out += "\\f".utf8
      case 0x0A: out += "\\n".utf8
      case 0x0D: out += "\\r".utf8
      case 0x09: out += "\\t".utf8
      default: out += "\\u00\(Hex.encode([byte]))".utf8
      }
    }
    out += text[kept...]
  }
}

/// The canonical form of bytes that are JSON, without building a value: for the hot path of intake.
package func canonicalJSON(_ bytes: [UInt8]) throws(JSONError) -> [UInt8] {
  var out: UnsafePointer<UInt8>?
  var length = 0
  let status = sluice_json_canonicalize(bytes, bytes.count, &out, &length)
  guard status == SLUICE_JSON_OK, let out else { throw JSONError(status) }
  return Array(UnsafeBufferPointer(start: out, count: length))
}
