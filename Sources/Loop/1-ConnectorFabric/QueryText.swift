import Domain

/// The query of a request, as it came: `name=value` joined by `&`, percent-encoded.
package enum QueryText {
  /// The one value of a name; nil when there is none, more than one, or one that is no UTF-8.
  package static func value(of name: String, in query: String) -> String? {
    let found = pairs(of: query).filter { $0.name == name }
    return found.count == 1 ? found[0].value : nil
  }

  /// The part of the query that has one of these names, as it came and in its order.
  package static func part(of query: String, named names: [String]) -> String {
    query.split(separator: "&").filter { part in
      decoded(part.prefix { $0 != "=" }).map(names.contains) ?? false
    }.joined(separator: "&")
  }

  /// Each pair that can be read; a name without "=" has an empty value.
  package static func pairs(of query: String) -> [(name: String, value: String)] {
    query.split(separator: "&").compactMap { part in
      let name = part.prefix { $0 != "=" }
      guard let key = decoded(name), let value = decoded(part[name.endIndex...].dropFirst()) else { return nil }
      return (key, value)
    }
  }

  /// Percent-decoded; nil when that is no UTF-8, or a percent sign has no two digits behind it.
  static func decoded(_ text: Substring, plusIsSpace: Bool = true) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "%"):
        guard let high = rest.popFirst(), let low = rest.popFirst(),
          let value = Hex.decode(String(decoding: [high, low], as: UTF8.self).lowercased())
        else { return nil }
        bytes += value
      case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
      default: bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
