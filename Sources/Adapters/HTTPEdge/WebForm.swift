/// What a browser sent: cookies, forms, escaped paths.
enum WebForm {
  static let fieldsMax = 32

  /// The fields of an `application/x-www-form-urlencoded` body; of a name given twice, the first.
  /// - Returns: nil when it is not such a body.
  static func fields(of request: EdgeRequest) -> [String: String]? {
    let type = request.headers["content-type"]?.split(separator: ";").first?.lowercased()
    guard type == "application/x-www-form-urlencoded" else { return nil }
    let pairs = String(decoding: request.body, as: UTF8.self).split(separator: "&")
    guard pairs.count <= fieldsMax else { return nil }
    var fields: [String: String] = [:]
    for pair in pairs {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = decoded(parts[0], plusIsSpace: true) else { return nil }
      guard let value = decoded(parts.count > 1 ? parts[1] : "", plusIsSpace: true) else { return nil }
      if fields[name] == nil { fields[name] = value }
    }
    return fields
  }

  static func cookie(_ name: String, of request: EdgeRequest) -> String? {
    for part in (request.headers["cookie"] ?? "").split(separator: ";") {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if pair.count == 2, pair[0].drop(while: { $0 == " " }) == name { return String(pair[1]) }
    }
    return nil
  }

  /// - Returns: nil when an escape is broken or the bytes are not UTF-8.
  static func decoded(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "%"):
        guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else { return nil }
        bytes.append(high << 4 | low)
      case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
      default: bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self)
  }

  /// For one segment of a path or one value of a query.
  static func encoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "~"):
        result.unicodeScalars.append(Unicode.Scalar(byte))
      // The dot too: a segment ".." would lead elsewhere.
      default: result += "%\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))"
      }
    }
    return result
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) }
  }

  /// In constant time for texts of one length.
  static func isEqual(_ left: String, _ right: String) -> Bool {
    let (left, right) = (Array(left.utf8), Array(right.utf8))
    guard left.count == right.count else { return false }
    return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
