package import Domain

extension EventPattern {
  private static let depthMax = 16
  private static let matchersMax = 256
  private static let keywords = [
    "prefix", "suffix", "equals-ignore-case", "wildcard", "numeric", "cidr", "exists", "anything-but",
  ]
  /// event-ruler's bounds of a number.
  private static let numbers = -5.0e9...5.0e9

  /// Reads a pattern; the first fault is thrown with its key, its line and what is allowed.
  package init(_ r: DocumentReader) throws(DocumentError) {
    root = try Self.object(r, depth: 0)
    guard Self.count(root) <= Self.matchersMax else {
      throw r.error("more than \(Self.matchersMax) values", allowed: "fewer")
    }
  }

  private static func count(_ node: Node) -> Int {
    switch node {
    case .all(let nodes), .any(let nodes): nodes.reduce(0) { $0 + count($1) }
    case .field(_, let node): count(node)
    case .values(let matchers): matchers.count
    }
  }

  private static func object(_ r: DocumentReader, depth: Int) throws(DocumentError) -> Node {
    guard depth < depthMax, r.value?.object?.isEmpty == false else {
      throw r.error(
        depth < depthMax ? "no field" : "too deep", allowed: "fields, each with a list of values or fields of its own")
    }
    var nodes: [Node] = []
    for (name, member) in try r.members() {
      if name == "$or", let either = try either(member, depth) {
        nodes.append(either)
      } else if member.value?.object != nil {
        nodes.append(.field(name, try object(member, depth: depth + 1)))
      } else {
        nodes.append(.field(name, .values(try values(member))))
      }
    }
    return .all(nodes)
  }

  /// `$or` is a field like any other unless it lists two objects or more, in none of which a keyword is a field.
  private static func either(_ r: DocumentReader, _ depth: Int) throws(DocumentError) -> Node? {
    guard let items = r.value?.array, items.count >= 2,
      items.allSatisfy({ $0.object.map { !$0.isEmpty && $0.keys.allSatisfy { !keywords.contains($0) } } ?? false })
    else { return nil }
    var nodes: [Node] = []
    for item in try r.items() { nodes.append(try object(item, depth: depth + 1)) }
    return .any(nodes)
  }

  private static func values(_ r: DocumentReader) throws(DocumentError) -> [Matcher] {
    guard r.value?.array?.isEmpty == false else {
      throw r.error("no list of values", allowed: "a list such as [paid, {prefix: \"customer.\"}]")
    }
    var matchers: [Matcher] = []
    for item in try r.items() {
      switch item.value {
      case .string, .integer, .double, .bool, .null: matchers.append(.exact(item.value!))
      case .object(let members)?:
        guard members.count == 1, let name = members.keys.first, keywords.contains(name) else {
          throw item.error("no comparison", allowed: "one of " + keywords.joined(separator: ", "))
        }
        matchers.append(try matcher(name, item[name]))
      case .array?, nil: throw item.error("a list", allowed: "a value, or one of " + keywords.joined(separator: ", "))
      }
    }
    return matchers
  }

  private static func matcher(_ name: String, _ r: DocumentReader) throws(DocumentError) -> Matcher {
    switch name {
    case "prefix", "suffix":
      guard r.value?.object != nil else {
        let text = try r.string()
        return name == "prefix" ? .prefix(text) : .suffix(text)
      }
      try r.allow(["equals-ignore-case"])
      let text = try r["equals-ignore-case"].string().lowercased()
      return name == "prefix" ? .prefixIgnoringCase(text) : .suffixIgnoringCase(text)
    case "equals-ignore-case": return .ignoringCase(try r.string().lowercased())
    case "wildcard":
      let text = try r.string()
      guard let wildcard = Wildcard(text) else {
        throw r.error(
          "\"\(text.prefix(60))\"",
          allowed: "a text in which no two stars stand side by side; \\* and \\\\ for themselves")
      }
      return .wildcard(wildcard)
    case "numeric": return .numeric(try comparisons(r))
    case "cidr":
      let text = try r.string()
      guard text.contains("/"), let range = IPRange(text) else {
        throw r.error("\"\(text.prefix(60))\"", allowed: "a range such as 10.0.0.0/8")
      }
      return .cidr(range)
    case "exists": return .exists(try r.bool())
    default: return .anythingBut(try butNot(r))
    }
  }

  /// One text or number, a list of either, or a comparison of texts.
  private static func butNot(_ r: DocumentReader) throws(DocumentError) -> [Matcher] {
    let allowed = "texts or numbers, or one of prefix, suffix, equals-ignore-case, wildcard"
    if let members = r.value?.object {
      guard members.count == 1, let name = members.keys.first,
        ["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(name)
      else { throw r.error("no comparison", allowed: allowed) }
      guard members[name]?.array?.isEmpty == false else { return [try matcher(name, r[name])] }
      var matchers: [Matcher] = []
      for item in try r[name].items() { matchers.append(try matcher(name, item)) }
      return matchers
    }
    let values = r.value?.array ?? [r.value].compactMap(\.self)
    let areTexts = values.allSatisfy { $0.string != nil }
    guard !values.isEmpty, areTexts || values.allSatisfy({ $0.double != nil }) else {
      throw r.error("not all texts or all numbers", allowed: allowed)
    }
    return values.map { .exact($0) }
  }

  /// `["=", 5]`, `["<", 5]`, or a range `[">", 0, "<=", 5]`.
  private static func comparisons(_ r: DocumentReader) throws(DocumentError) -> [Comparison] {
    let allowed = "a sign and a number, or a range such as [\">\", 0, \"<=\", 5], from -5e9 to 5e9"
    let items = r.value?.array ?? []
    var found: [Comparison] = []
    for index in stride(from: 0, to: items.count - 1, by: 2) {
      guard let sign = items[index].string.flatMap({ Comparison.Sign(rawValue: $0) }),
        let number = items[index + 1].double, numbers.contains(number)
      else { throw r.error("no comparison", allowed: allowed) }
      found.append(Comparison(sign: sign, number: number))
    }
    let isRange =
      found.count == 2 && [.more, .atLeast].contains(found[0].sign) && [.less, .atMost].contains(found[1].sign)
      && found[0].number < found[1].number
    guard items.count == found.count * 2, found.count == 1 || isRange else {
      throw r.error("no comparison", allowed: allowed)
    }
    return found
  }
}
