/// Order of semantic versions (https://semver.org, 11), as far as folders of plugins need it.
package enum PluginVersion {
  package static func isOlder(_ left: String, _ right: String) -> Bool {
    let (one, other) = (parts(left), parts(right))
    for (a, b) in zip(one.numbers, other.numbers) where a != b { return a < b }
    if one.numbers.count != other.numbers.count { return one.numbers.count < other.numbers.count }
    // A pre-release comes before its release.
    if one.rest.isEmpty != other.rest.isEmpty { return !one.rest.isEmpty }
    return one.rest < other.rest
  }

  private static func parts(_ version: String) -> (numbers: [Int], rest: String) {
    let sides = version.split(separator: "-", maxSplits: 1).map(String.init)
    return ((sides.first ?? "").split(separator: ".").map { Int($0) ?? 0 }, sides.count == 2 ? sides[1] : "")
  }
}
