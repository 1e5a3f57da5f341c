package import Domain

/// One place at which two documents differ.
package struct JSONChange: Equatable, Sendable {
  /// Members joined by `.`, elements as `[2]`, or as `[NAME]` where all have a `name`; a line of a longer text as `:12`.
  package let path: String
  package let before: JSONValue?
  package let after: JSONValue?

  package init(path: String, before: JSONValue?, after: JSONValue?) {
    self.path = path
    self.before = before
    self.after = after
  }

  /// What differs, in order of place.
  package static func between(_ old: JSONValue, _ new: JSONValue, path: String = "") -> [JSONChange] {
    guard old != new else { return [] }
    switch (old, new) {
    case (.object(let old), .object(let new)):
      return Set(old.keys).union(new.keys).sorted().flatMap { key in
        member(old[key], new[key], path: path.isEmpty ? key : "\(path).\(key)")
      }
    case (.array(let old), .array(let new)):
      let (before, after) = (named(old), named(new))
      return Set(before.keys).union(after.keys).sorted().flatMap { key in
        member(before[key], after[key], path: "\(path)[\(key)]")
      }
    case (.string(let old), .string(let new)) where old.contains("\n") || new.contains("\n"):
      return lines(old, new, path: path)
    default: return [JSONChange(path: path, before: old, after: new)]
    }
  }

  private static func member(_ old: JSONValue?, _ new: JSONValue?, path: String) -> [JSONChange] {
    guard let old, let new else { return old == new ? [] : [JSONChange(path: path, before: old, after: new)] }
    return between(old, new, path: path)
  }

  /// Elements by their own name where each has one of its own, otherwise by their place.
  private static func named(_ items: [JSONValue]) -> [String: JSONValue] {
    let names = items.compactMap { $0["name"]?.string }
    let keys = Set(names).count == items.count ? names : items.indices.map { String($0) }
    return Dictionary(uniqueKeysWithValues: zip(keys, items))
  }

  private static func lines(_ old: String, _ new: String, path: String) -> [JSONChange] {
    func split(_ text: String) -> [String] {
      text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
    return split(new).difference(from: split(old)).map { change in
      switch change {
      case .remove(let offset, let line, _):
        JSONChange(path: "\(path):\(offset + 1)", before: .string(line), after: nil)
      case .insert(let offset, let line, _):
        JSONChange(path: "\(path):\(offset + 1)", before: nil, after: .string(line))
      }
    }
  }
}
