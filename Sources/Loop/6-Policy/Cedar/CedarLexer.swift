extension Cedar {
  enum Token: Equatable {
    case identifier(String)
    case integer(String)
    /// Without its quotation marks, escapes as written.
    case string(String)
    case symbol(String)
    case end

    /// How an operator reads it in an error.
    var shown: String {
      switch self {
      case .identifier(let name): "`\(name)`"
      case .integer(let digits): digits
      case .string: "a string"
      case .symbol(let symbol): "`\(symbol)`"
      case .end: "the end of the text"
      }
    }
  }

  /// Tokens of a policy or schema text with where each begins.
  struct Lexer {
    static let sourceBytesMax = 1 << 20

    let source: String
    private let bytes: [UInt8]
    private var at = 0
    private(set) var tokens: [(token: Token, line: Int, column: Int)] = []
    private var line = 1
    private var column = 1
    /// The offset that `line` and `column` stand for.
    private var counted = 0

    init(source: String, text: String) throws(PolicyError) {
      self.source = source
      bytes = Array(text.utf8)
      guard bytes.count <= Lexer.sourceBytesMax else {
        throw .tooLarge(source: source, bytes: bytes.count, limit: Lexer.sourceBytesMax)
      }
      while true {
        skipSpaceAndComments()
        let start = position(at)
        let token = try next(from: start)
        tokens.append((token, start.line, start.column))
        if token == .end { return }
      }
    }

    /// Offsets are asked for in ascending order, so that a text is counted through once.
    private mutating func position(_ offset: Int) -> SourcePosition {
      while counted < offset {
        if bytes[counted] == 0x0A {
          (line, column) = (line + 1, 1)
        } else if bytes[counted] & 0xC0 != 0x80 {
          column += 1
        }
        counted += 1
      }
      return SourcePosition(source: source, line: line, column: column)
    }

    private mutating func skipSpaceAndComments() {
      while at < bytes.count {
        switch bytes[at] {
        case 0x20, 0x09, 0x0A, 0x0B, 0x0C, 0x0D: at += 1
        case UInt8(ascii: "/") where at + 1 < bytes.count && bytes[at + 1] == UInt8(ascii: "/"):
          while at < bytes.count, bytes[at] != 0x0A { at += 1 }
        default: return
        }
      }
    }

    private mutating func next(from start: SourcePosition) throws(PolicyError) -> Token {
      guard at < bytes.count else { return .end }
      let byte = bytes[at]
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"):
        return .identifier(take { Lexer.isLetter($0) || Lexer.isDigit($0) })
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        return .integer(take(while: Lexer.isDigit))
      case UInt8(ascii: "\""): return try string(from: start)
      default: return try symbol(at: start)
      }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
      (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte) || byte == 0x5F
    }
    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private mutating func take(while belongs: (UInt8) -> Bool) -> String {
      let start = at
      while at < bytes.count, belongs(bytes[at]) { at += 1 }
      return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    private mutating func string(from position: SourcePosition) throws(PolicyError) -> Token {
      let start = at
      at += 1
      while at < bytes.count, bytes[at] != UInt8(ascii: "\"") {
        at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1
      }
      guard at < bytes.count else {
        throw .syntax(position, found: "a string that is not closed", expected: "a closing quotation mark")
      }
      defer { at += 1 }
      return .string(String(decoding: bytes[(start + 1)..<at], as: UTF8.self))
    }

    private mutating func symbol(at position: SourcePosition) throws(PolicyError) -> Token {
      let pair = at + 1 < bytes.count ? String(decoding: bytes[at...(at + 1)], as: UTF8.self) : ""
      if ["::", "==", "!=", "<=", ">=", "&&", "||"].contains(pair) {
        at += 2
        return .symbol(pair)
      }
      let single = Character(Unicode.Scalar(bytes[at]))
      guard "()[]{},;:.@=<>!+-*/%?".contains(single) else {
        let scalar = String(decoding: bytes[at..<min(at + 4, bytes.count)], as: UTF8.self).unicodeScalars.first!
        throw .syntax(position, found: "`\(scalar)`", expected: "a name, a literal or an operator")
      }
      at += 1
      return .symbol(String(single))
    }
  }

  /// The value of a string literal; in a pattern `\*` is a star and `*` a wildcard (nil).
  static func unescape(
    _ raw: String, inPattern: Bool, at position: SourcePosition
  ) throws(PolicyError) -> [Unicode.Scalar?] {
    var out: [Unicode.Scalar?] = []
    var rest = Array(raw.unicodeScalars)[...]
    while let scalar = rest.popFirst() {
      if scalar == "*", inPattern {
        out.append(nil)
        continue
      }
      guard scalar != "\r" else { throw .escapeInvalid(position, escape: "a bare carriage return") }
      guard scalar == "\\" else {
        out.append(scalar)
        continue
      }
      let escape = rest.popFirst()
      switch escape {
      case "n": out.append("\n")
      case "r": out.append("\r")
      case "t": out.append("\t")
      case "0": out.append("\0")
      case "\\", "\"", "'": out.append(escape)
      case "*" where inPattern: out.append("*")
      case "x":
        let digits = String(String.UnicodeScalarView(rest.prefix(2)))
        rest = rest.dropFirst(2)
        guard digits.utf8.count == 2, digits.utf8.allSatisfy(isHexDigit), let value = UInt8(digits, radix: 16),
          value < 0x80
        else { throw .escapeInvalid(position, escape: "\\x\(digits)") }
        out.append(Unicode.Scalar(value))
      case "u":
        let body = rest.prefix { $0 != "}" }
        rest = rest.dropFirst(body.count + 1)
        let digits = String(String.UnicodeScalarView(body.dropFirst()))
        guard body.first == "{", (1...6).contains(digits.utf8.count), digits.utf8.allSatisfy(isHexDigit),
          let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value)
        else { throw .escapeInvalid(position, escape: "\\u\(String(String.UnicodeScalarView(body.prefix(12))))") }
        out.append(scalar)
      default: throw .escapeInvalid(position, escape: "\\\(escape.map(String.init) ?? "")")
      }
    }
    return out
  }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
  }
}
