import Domain

/// Values that a schema allows, made up by chance: of the keywords that `ArgumentSchema` knows.
struct SchemaSamples {
  var chance: SplitMix64

  /// - Parameter known: A value that the schema allows, from which comes what cannot be made up.
  /// - Returns: nil where the schema has a pattern that this cannot write, and nothing is known.
  mutating func value(_ schema: JSONValue, like known: JSONValue? = nil, depth: Int = 0) -> JSONValue? {
    if let constant = schema["const"] { return constant }
    if let choices = schema["enum"]?.array, !choices.isEmpty { return choices.randomElement(using: &chance) }
    let types = schema["type"]?.array?.compactMap(\.string) ?? [schema["type"]?.string].compactMap(\.self)
    switch types.randomElement(using: &chance) ?? "object" {
    case "string": return text(schema).map { .string($0) } ?? known.flatMap { $0.string == nil ? nil : $0 }
    case "integer": return .integer(Int64(number(schema)))
    case "number": return .integer(Int64(number(schema)))
    case "boolean": return .bool(Bool.random(using: &chance))
    case "array":
      let items = (0..<Int.random(in: 0...3, using: &chance)).map { _ in
        value(schema["items"] ?? [:], like: known?.array?.first, depth: depth + 1)
      }
      return items.contains { $0 == nil } ? nil : .array(items.compactMap(\.self))
    case "null": return .null
    default: return object(schema, known, depth)
    }
  }

  private mutating func object(_ schema: JSONValue, _ known: JSONValue?, _ depth: Int) -> JSONValue? {
    let required = Set(schema["required"]?.array?.compactMap(\.string) ?? [])
    var members: [String: JSONValue] = [:]
    for (name, property) in (schema["properties"]?.object ?? [:]).sorted(by: { $0.key < $1.key }) {
      guard required.contains(name) || (depth < 4 && Bool.random(using: &chance)) else { continue }
      guard let made = value(property, like: known?[name], depth: depth + 1) else { return nil }
      members[name] = made
    }
    return .object(members)
  }

  private mutating func number(_ schema: JSONValue) -> Int {
    let (lower, upper) = (Self.whole(schema["minimum"], .up), Self.whole(schema["maximum"], .down))
    let least = lower ?? min(-1_000, upper.map { $0 < .min + 1_000 ? .min : $0 - 1_000 } ?? 0)
    let most = upper ?? (least > .max - 1_000 ? .max : max(least, 0) + 1_000)
    return Int.random(in: least...max(least, most), using: &chance)
  }

  /// nil for a limit that is no whole number of ours: as good as none.
  private static func whole(_ limit: JSONValue?, _ rule: FloatingPointRoundingRule) -> Int? {
    limit?.integer.map(Int.init) ?? limit?.double.flatMap { Int(exactly: $0.rounded(rule)) }
  }

  private mutating func text(_ schema: JSONValue) -> String? {
    let least = max(0, min(Int(schema["minLength"]?.integer ?? 0), 100_000))
    let most = min(Int(schema["maxLength"]?.integer ?? Int64(least + 12)), least + 12)
    let count = Int.random(in: least...max(least, most), using: &chance)
    if let pattern = schema["pattern"]?.string {
      // Try letters, digits and what usually stands between them; else give up.
      for alphabet in ["abcxyz", "0123456789", "ABCXYZ", "abcxyz0123456789", "abc-xyz", "AB12"] {
        for length in Set([count, max(1, least), 8, 3]).sorted() {
          let made = String((0..<length).map { _ in alphabet.randomElement(using: &chance)! })
          if let known = ArgumentPattern(pattern), known.fits(made) { return made }
        }
      }
      return nil
    }
    let alphabet = Array("abcdefghij klmnopqrst-_.0123456789äß✓\"\\/<>")
    return String((0..<count).map { _ in alphabet.randomElement(using: &chance)! })
  }
}
