/// A Swift file line by line, with its code and its comments told apart.
///
/// In `code`, comments and the letters of string literals are blank; what stands inside `\(…)` is code. Every line has
/// as many bytes as in the file, so positions agree.
struct SwiftText {
  let lines: [String]
  let code: [String]
  let comments: [String]
  /// The whole code as one text, byte for byte as long as the file.
  let wholeCode: [UInt8]

  init(_ text: String) {
    var reader = Reader(bytes: Array(text.utf8))
    reader.read()
    wholeCode = reader.code
    lines = Self.split(reader.bytes)
    code = Self.split(reader.code)
    comments = Self.split(reader.comments)
  }

  private static func split(_ bytes: [UInt8]) -> [String] {
    bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
  }

  private enum Context {
    /// Code, with how many parentheses are open in it.
    case code(parentheses: Int)
    case literal(hashes: Int, quotes: Int)
  }

  private struct Reader {
    let bytes: [UInt8]
    var code: [UInt8]
    var comments: [UInt8]
    var at = 0
    var contexts = [Context.code(parentheses: 0)]

    init(bytes: [UInt8]) {
      self.bytes = bytes
      code = bytes.map { $0 == 0x0A ? $0 : 0x20 }
      comments = code
    }

    mutating func read() {
      while at < bytes.count {
        switch contexts.last! {
        case .code(let parentheses): readCode(parentheses)
        case .literal(let hashes, let quotes): readLiteral(hashes, quotes)
        }
      }
    }

    func starts(_ text: String, at place: Int) -> Bool { bytes[place...].starts(with: text.utf8) }
    func count(_ byte: UInt8, at place: Int) -> Int { bytes[place...].prefix { $0 == byte }.count }

    mutating func readCode(_ parentheses: Int) {
      if starts("//", at: at) { return comment(to: bytes[at...].firstIndex(of: 0x0A) ?? bytes.count) }
      if starts("/*", at: at) { return comment(to: blockEnd()) }
      let hashes = count(0x23, at: at)
      if at + hashes < bytes.count, bytes[at + hashes] == 0x22 { return open(hashes) }
      switch bytes[at] {
      case 0x60:  // a raw identifier may hold quotes
        let end = bytes[(at + 1)...].firstIndex { $0 == 0x60 || $0 == 0x0A } ?? bytes.count - 1
        return keep(to: end + 1)
      case 0x28: contexts[contexts.count - 1] = .code(parentheses: parentheses + 1)
      case 0x29 where parentheses == 0 && contexts.count > 1: contexts.removeLast()
      case 0x29: contexts[contexts.count - 1] = .code(parentheses: parentheses - 1)
      default: break
      }
      keep(to: at + 1)
    }

    mutating func readLiteral(_ hashes: Int, _ quotes: Int) {
      if bytes[at] == 0x22, count(0x22, at: at) >= quotes, count(0x23, at: at + quotes) >= hashes {
        contexts.removeLast()
        return keep(to: at + quotes + hashes)
      }
      if bytes[at] == 0x5C, count(0x23, at: at + 1) >= hashes {
        let next = at + 1 + hashes
        if next < bytes.count, bytes[next] == 0x28 {
          keep(to: next + 1)
          return contexts.append(.code(parentheses: 0))
        }
        at = min(bytes.count, next + 1)
        return
      }
      if bytes[at] == 0x0A, quotes == 1 { contexts.removeLast() }  // not Swift; do not lose the rest of the file
      at += 1
    }

    mutating func open(_ hashes: Int) {
      let found = count(0x22, at: at + hashes)
      if found == 2 { return keep(to: at + hashes + 2 + hashes) }
      let quotes = found >= 3 ? 3 : 1
      keep(to: at + hashes + quotes)
      contexts.append(.literal(hashes: hashes, quotes: quotes))
    }

    mutating func keep(to end: Int) {
      for place in at..<min(end, bytes.count) { code[place] = bytes[place] }
      at = min(end, bytes.count)
    }

    mutating func comment(to end: Int) {
      for place in at..<end { comments[place] = bytes[place] }
      at = end
    }

    func blockEnd() -> Int {
      var depth = 0
      var place = at
      while place < bytes.count {
        if starts("/*", at: place) {
          depth += 1
          place += 2
        } else if starts("*/", at: place) {
          depth -= 1
          place += 2
          if depth == 0 { return place }
        } else {
          place += 1
        }
      }
      return bytes.count
    }
  }
}
