import Domain

/// The fields of an `application/x-www-form-urlencoded` body (WHATWG URL, 5), and which ones a permitted argument stands for.
///
/// An object within is written `a[b]=…` and a list `a[0]=…`, as Stripe reads them.
enum FormBody {
  struct Field: Hashable {
    let name: [UInt8]
    let value: [UInt8]
  }

  /// - Returns: nil for what a form cannot say: no object, a null, a fraction, an object or list of nothing within, a name with
  ///   a bracket, which would be read as another one.
  static func fields(of argument: JSONValue) -> [Field]? {
    guard let members = argument.object else { return nil }
    var fields: [Field] = []
    for (name, value) in members {
      guard isName(name), add(value, as: name, to: &fields) else { return nil }
    }
    return fields
  }

  private static func add(_ value: JSONValue, as name: String, to fields: inout [Field]) -> Bool {
    func put(_ text: String) -> Bool {
      fields.append(Field(name: Array(name.utf8), value: Array(text.utf8)))
      return true
    }
    switch value {
    case .string(let text): return put(text)
    case .integer(let number): return put("\(number)")
    case .bool(let flag): return put(flag ? "true" : "false")
    case .double, .null: return false
    case .object(let members):
      return !members.isEmpty
        && members.allSatisfy { isName($0.key) && add($0.value, as: "\(name)[\($0.key)]", to: &fields) }
    case .array(let items):
      return !items.isEmpty
        && items.enumerated().allSatisfy { add($0.element, as: "\(name)[\($0.offset)]", to: &fields) }
    }
  }

  private static func isName(_ name: String) -> Bool { !name.isEmpty && !name.utf8.contains { "[]".utf8.contains($0) } }

  /// The fields that a body says.
  /// - Returns: nil where two readers could take it for different ones: a raw octet that is neither plain nor a separator, a
  ///   percent sign without its digits, a field without its "=".
  static func read(_ body: [UInt8]) -> [Field]? {
    guard !body.isEmpty else { return [] }
    var fields: [Field] = []
    for part in body.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
      let sides = part.split(separator: UInt8(ascii: "="), omittingEmptySubsequences: false)
      guard sides.count == 2, let name = text(sides[0]), let value = text(sides[1]) else { return nil }
      fields.append(Field(name: name, value: value))
    }
    return fields
  }

  private static func text(_ encoded: ArraySlice<UInt8>) -> [UInt8]? {
    var said: [UInt8] = []
    var rest = encoded
    while let byte = rest.popFirst() {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: said.append(byte)
      case _ where "*-._~[]".utf8.contains(byte): said.append(byte)
      case UInt8(ascii: "+"): said.append(UInt8(ascii: " "))
      case UInt8(ascii: "%"):
        let digits = rest.prefix(2)
        let octet = PercentEncoding.decode([byte] + digits)
        guard digits.count == 2, octet.count == 1 else { return nil }
        rest = rest.dropFirst(2)
        said += octet
      default: return nil
      }
    }
    return said
  }
}

extension FormBody {
  /// Whether a body says what an argument stands for: each field once, in whatever order.
  static func says(_ body: [UInt8], _ argument: JSONValue) -> Bool {
    guard let sent = read(body), let permitted = fields(of: argument), sent.count == permitted.count else {
      return false
    }
    return Set(sent) == Set(permitted)
  }
}
