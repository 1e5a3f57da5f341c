import Foundation

/// What an operator may read: one code, what it says, what to do.
struct ErrorEntry: Equatable, Sendable {
  let code: String
  let message: String
  let remedy: String
  let path: String
}

/// Finds every error code in the sources and writes docs/errors.md.
///
/// Two forms are read: a type with `var code: String` beside `message` (or `sentence`) and `remedy`, each a literal or a
/// switch over the cases; and a literal `code: "…", message: "…", remedy: "…"` where a refusal is made on the spot.
enum ErrorReference {
  static let path = "docs/errors.md"

  /// The codes of plugins are their authors'.
  static func entries(of project: Project = .here) -> [ErrorEntry] {
    project.files.filter { $0.isSwift && $0.isUnder("Sources") && !$0.isUnder("Sources/Plugin/SluiceKit") }.flatMap(
      entries
    )
    .sorted { ($0.code, $0.path) < ($1.code, $1.path) }
  }

  static func entries(in file: ProjectFile) -> [ErrorEntry] {
    let source = Source(file.text)
    var entries: [ErrorEntry] = []
    let codes = source.bodies(of: "code")
    for (index, body) in codes.enumerated() {
      let end = index + 1 < codes.count ? codes[index + 1].lowerBound : source.bytes.count
      let said =
        source.bodies(of: "message", from: body.upperBound, until: end).first
        ?? source.bodies(of: "sentence", from: body.upperBound, until: end).first
      let advice = source.bodies(of: "remedy", from: body.upperBound, until: end).first
      let (messages, remedies) = (said.map(source.texts) ?? [:], advice.map(source.texts) ?? [:])
      for (name, code) in source.texts(in: body).sorted(by: { $0.key < $1.key }) {
        func text(_ texts: [String: String]) -> String {
          texts[name] ?? texts["default"] ?? (texts.count == 1 ? texts.first!.value : "")
        }
        entries.append(ErrorEntry(code: code, message: text(messages), remedy: text(remedies), path: file.path))
      }
    }
    return entries
      + source.onTheSpot().map { ErrorEntry(code: $0.code, message: $0.message, remedy: $0.remedy, path: file.path) }
  }

  static let form = Pattern(#"^[a-z][a-z0-9_]*(\.([a-z][a-z0-9_]*|\{\w+\}))+$"#)

  static func violations(_ entries: [ErrorEntry]) -> [Violation] {
    var violations: [Violation] = []
    for (code, same) in Dictionary(grouping: entries, by: \.code).sorted(by: { $0.key < $1.key }) {
      if same.count > 1 {
        violations.append(
          Violation(place: code, sentence: "more than one error bears it: \(same.map(\.path).joined(separator: ", ")).")
        )
      }
      // Codes of the egress go to a plugin's author, in a message of their own.
      if same[0].remedy.isEmpty, !code.hasPrefix("egress.") {
        violations.append(Violation(place: code, sentence: "it must say what to do (\(same[0].path))."))
      }
      if !form.isFound(in: code) {
        violations.append(Violation(place: code, sentence: "a code is dotted and lower-case (\(same[0].path))."))
      }
    }
    return violations
  }

  static func markdown(_ entries: [ErrorEntry]) -> String {
    var text = """
      # Errors

      Every refusal bears one of these codes, on stderr, in the log and in the API. A code is stable and never used for
      something else. Words in braces stand for what the message names. A code of another form comes from a plugin.

      Generated from the sources by `make docs`; do not edit.

      """
    let areas = Dictionary(grouping: entries) { String($0.code.prefix { $0 != "." }) }
    for (area, entries) in areas.sorted(by: { $0.key < $1.key }) {
      text += "\n## \(area)\n\n| code | what happened | what to do | file |\n|---|---|---|---|\n"
      for entry in entries {
        let message = entry.message.isEmpty ? "The message says." : entry.message
        let cells = ["`\(entry.code)`", cell(message), cell(entry.remedy), "`\(entry.path)`"]
        text += "| \(cells.joined(separator: " | ")) |\n"
      }
    }
    return text
  }

  private static func cell(_ text: String) -> String {
    text.replacingOccurrences(of: "|", with: "\\|")
  }
}

/// Swift read for its error texts.
private struct Source {
  let bytes: [UInt8]
  let code: [UInt8]

  init(_ text: String) {
    bytes = Array(text.utf8)
    code = SwiftText(text).wholeCode
  }

  /// Where the bodies of `var NAME: String { … }` stand, without their braces.
  func bodies(of name: String, from: Int = 0, until: Int? = nil) -> [Range<Int>] {
    let head = Array("var \(name): String {".utf8)
    var found: [Range<Int>] = []
    var at = from
    while at + head.count <= until ?? code.count {
      guard code[at...].starts(with: head) else {
        at += 1
        continue
      }
      let start = at + head.count
      let end = close(of: start)
      // `{ get }` is a protocol's.
      if String(decoding: code[start..<end], as: UTF8.self).trimmingCharacters(in: .whitespaces) != "get" {
        found.append(start..<end)
      }
      at = end
    }
    return found
  }

  private func close(of start: Int) -> Int {
    var depth = 1
    for at in start..<code.count {
      if code[at] == 0x7B { depth += 1 }
      if code[at] == 0x7D { depth -= 1 }
      if depth == 0 { return at }
    }
    return code.count
  }

  private static let caseName = Pattern(#"\.(\w+)"#)

  /// Case name → its first literal; a body without a switch is everybody's: `default`.
  func texts(in body: Range<Int>) -> [String: String] {
    let starts = body.filter { at in
      (code[at...].starts(with: "case ".utf8) || code[at...].starts(with: "default:".utf8)) && isLineStart(at)
    }
    guard !starts.isEmpty else {
      // In a body of several statements, what is returned.
      let from = body.first { code[$0...].starts(with: "return ".utf8) } ?? body.lowerBound
      return literal(in: from..<body.upperBound).map { ["default": $0] } ?? [:]
    }
    var texts: [String: String] = [:]
    for (index, start) in starts.enumerated() {
      let end = index + 1 < starts.count ? starts[index + 1] : body.upperBound
      guard let colon = (start..<end).first(where: { code[$0] == 0x3A && depth(from: start, to: $0) == 0 }),
        let text = literal(in: colon..<end)
      else { continue }
      for name in names(start..<colon) where texts[name] == nil { texts[name] = text }
    }
    return texts
  }

  private func isLineStart(_ at: Int) -> Bool {
    var place = at - 1
    while place >= 0, code[place] == 0x20 { place -= 1 }
    return place < 0 || code[place] == 0x0A || code[place] == 0x7B
  }

  private func depth(from start: Int, to end: Int) -> Int {
    code[start..<end].reduce(0) { $0 + ($1 == 0x28 ? 1 : $1 == 0x29 ? -1 : 0) }
  }

  /// The cases of a pattern, without what stands inside their parentheses.
  private func names(_ range: Range<Int>) -> [String] {
    let outside = range.filter { depth(from: range.lowerBound, to: $0) == 0 }.map { code[$0] }
    let text = String(decoding: outside, as: UTF8.self)
    return text.hasPrefix("default") ? ["default"] : Self.caseName.matches(in: text).map { $0[1] }
  }

  private func literal(in range: Range<Int>) -> String? {
    guard let quote = range.first(where: { code[$0] == 0x22 }) else { return nil }
    var reader = LiteralReader(bytes: bytes, at: quote)
    return reader.read()
  }

  private static let made = Pattern(#""?\bcode"?: "([a-z][a-z0-9_.]*)",\s*"?message"?: (?:\.string\()?(")"#)

  private static let advised = Pattern(#"^\)?,\s*"?remedy"?: #?(")"#)

  func onTheSpot() -> [(code: String, message: String, remedy: String)] {
    let text = String(decoding: bytes, as: UTF8.self)
    var from = 0
    return Self.made.matches(in: text).compactMap { match in
      // Found again by its bytes, since a match has no position here.
      let wanted = Array(match[0].utf8)
      guard let start = (from..<bytes.count).first(where: { bytes[$0...].starts(with: wanted) }) else { return nil }
      from = start + wanted.count
      var reader = LiteralReader(bytes: bytes, at: from - 1)
      let message = reader.read()
      let rest = String(decoding: bytes[reader.at..<min(reader.at + 120, bytes.count)], as: UTF8.self)
      guard let advice = Self.advised.matches(in: rest).first else { return (match[1], message, "") }
      reader.at += advice[0].utf8.count - 1
      return (match[1], message, reader.read())
    }
  }
}

/// Reads one literal; what it interpolates becomes a name in braces.
private struct LiteralReader {
  let bytes: [UInt8]
  var at: Int

  private static let word = Pattern(#"(?<![.\w"])[a-z]\w*"#)
  private static let member = Pattern(#"\.([a-z]\w*)"#)
  private static let choice = Pattern(#"\? "(?:[^"\\]|\\.)*" : "((?:[^"\\]|\\[^(])*)"$"#)
  private static let path = Pattern(#"^[a-z]\w*(?:\.[a-z]\w*)*\.(?!rawValue|name|count)([a-z]\w*)$"#)

  mutating func read() -> String {
    at += 1
    var text: [UInt8] = []
    while at < bytes.count, bytes[at] != 0x22 {
      if bytes[at] == 0x5C {
        if bytes[at + 1] == 0x28 {
          text += Array(placeholder().utf8)
        } else {
          text.append(bytes[at + 1])
          at += 2
        }
      } else {
        text.append(bytes[at])
        at += 1
      }
    }
    at += 1
    let said = String(decoding: text, as: UTF8.self)
    return said
  }

  private mutating func placeholder() -> String {
    at += 2
    let start = at
    var depth = 1
    while depth > 0 {
      if bytes[at] == 0x22 {
        _ = read()
        continue
      }
      if bytes[at] == 0x28 { depth += 1 }
      if bytes[at] == 0x29 { depth -= 1 }
      at += 1
    }
    let expression = String(decoding: bytes[start..<(at - 1)], as: UTF8.self)
    if let other = Self.choice.matches(in: expression).first { return other[1] }
    if let last = Self.path.matches(in: expression).first { return "{\(last[1])}" }
    let name = Self.word.matches(in: expression).first?[0] ?? Self.member.matches(in: expression).last?[1] ?? "value"
    return "{\(name)}"
  }
}
