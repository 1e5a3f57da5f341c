/// Markup. A string literal is markup; what is interpolated into it is text and is escaped, unless it is markup itself:
/// `"<td>\(name)</td>"`. Attributes are always in double quotes, so that one escaping serves both places.
struct HTML: Sendable, ExpressibleByStringInterpolation {
  let source: String

  private init(source: String) { self.source = source }
  /// Of literals only; never call it with something that came from outside.
  init(stringLiteral value: StaticString) { source = value.description }
  init(stringInterpolation: StringInterpolation) { source = stringInterpolation.source }
  init(_ parts: [HTML]) { source = parts.map(\.source).joined() }
  /// Text, escaped.
  init(text: String) { source = HTML.escaped(text) }

  static let nothing = HTML(source: "")

  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var source = ""
    init(literalCapacity: Int, interpolationCount: Int) { source.reserveCapacity(literalCapacity) }
    mutating func appendLiteral(_ literal: StaticString) { source += literal.description }
    mutating func appendInterpolation(_ text: String) { source += HTML.escaped(text) }
    mutating func appendInterpolation(_ number: Int) { source += String(number) }
    mutating func appendInterpolation(_ markup: HTML) { source += markup.source }
    mutating func appendInterpolation(_ markup: [HTML]) { for part in markup { source += part.source } }
  }

  /// Escapes for text and for attributes in double quotes.
  ///
  /// What cannot be seen is written out as `[U+202E]`: an approver must see what is there, and a character that turns
  /// the direction of its line around must not make a call look like another.
  static func escaped(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\n", "\t": result.unicodeScalars.append(scalar)
      default:
        if isUnseen(scalar) {
          let digits = String(scalar.value, radix: 16, uppercase: true)
          result += "[U+\(String(repeating: "0", count: max(0, 4 - digits.count)))\(digits)]"
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result
  }

  private static func isUnseen(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return scalar.value < 0x20 || scalar.value == 0x7F }
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse: return true
    default: return false
    }
  }
}
