/// A plugin's version: semantic (https://semver.org, 2.0.0), at most 64 characters. It names a folder, so nothing else may.
package struct PluginVersion: Sendable, Equatable, Comparable {
  package let text: String
  private let core: [Int]
  private let preRelease: [String]

  /// - Returns: nil for anything that is no semantic version.
  package init?(_ text: String) {
    guard text.utf8.count <= 64, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
    let build = text.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)
    let sides = build[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    let numbers = sides[0].split(separator: ".", omittingEmptySubsequences: false)
    let core = numbers.compactMap { Self.number($0) }
    guard numbers.count == 3, core.count == 3 else { return nil }
    let preRelease = sides.count == 2 ? Self.identifiers(sides[1]) : []
    guard let preRelease, build.count == 1 || Self.identifiers(build[1]) != nil else { return nil }
    guard preRelease.allSatisfy({ !$0.allSatisfy(\.isNumber) || Self.number($0[...]) != nil }) else { return nil }
    self.text = text
    self.core = core
    self.preRelease = preRelease
  }

  private static func number(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.count <= 9, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      text == "0" || text.first != "0"
    else { return nil }
    return Int(text)
  }

  private static func identifiers(_ text: Substring) -> [String]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let isFine = parts.allSatisfy { part in
      !part.isEmpty
        && part.utf8.allSatisfy {
          (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D
        }
    }
    return isFine ? parts.map(String.init) : nil
  }

  /// Precedence (semver, 11); versions that differ by their build alone are ordered by it, so that one is the newest.
  package static func < (left: Self, right: Self) -> Bool {
    for (one, other) in zip(left.core, right.core) where one != other { return one < other }
    if left.preRelease.isEmpty != right.preRelease.isEmpty { return !left.preRelease.isEmpty }
    for (one, other) in zip(left.preRelease, right.preRelease) where one != other {
      switch (Self.number(one[...]), Self.number(other[...])) {
      case (let a?, let b?): return a < b
      case (nil, nil): return one < other
      case (let a, _): return a != nil
      }
    }
    if left.preRelease.count != right.preRelease.count { return left.preRelease.count < right.preRelease.count }
    return left.text < right.text
  }
}
