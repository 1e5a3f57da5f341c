import CanonicalJSON
package import Domain

/// What a run of the kit found.
package struct Report: Sendable {
  package let plugin: String
  package let version: String
  /// The ABI version that the library's note states; nil without a note.
  package let abi: String?
  package let asked: Level
  package let seed: UInt64
  package let results: [CheckResult]
  /// Whether every check of the level was run.
  package let isWhole: Bool
  package let spentMs: Int64

  package var isGood: Bool { !results.contains(where: \.isBad) }

  /// The highest level all of whose checks pass, those below included; nil when not even the first does. A check that was left
  /// out has not passed.
  package var reached: Level? { level { $0.isBad || $0.status == .skip } }

  private func level(without isLacking: (CheckResult) -> Bool) -> Level? {
    guard isWhole else { return nil }
    return Level.allCases.last { level in level <= asked && !results.contains { $0.level <= level && isLacking($0) } }
  }

  /// The level that it would have, but for what it skips.
  private var claim: String {
    let skipped = results.filter { $0.status == .skip }.map(\.name)
    guard let most = level(without: \.isBad), most != reached else { return reached?.rawValue ?? "none" }
    return "\(reached?.rawValue ?? "none") (\(most.rawValue) but for \(skipped.joined(separator: ", ")))"
  }

  package func count(_ status: CheckResult.Status) -> Int { results.count { $0.status == status } }

  /// One line, as a README shows it.
  package var badge: String {
    let counts =
      "\(count(.pass) + count(.warn)) passed"
      + [
        (count(.warn), "with a warning"), (results.count(where: \.isBad), "failed"), (count(.skip), "skipped"),
        (count(.inapplicable), "not applicable"),
      ]
      .filter { $0.0 > 0 }.map { ", \($0.0) \($0.1)" }.joined()
    let level = !isWhole ? "some checks only" : claim
    return
      "sluice conformance: \(level) | \(plugin) \(version) | ABI \(abi ?? "unknown") | \(counts) | seed \(seed) | \(spentMs / 1_000).\(spentMs / 100 % 10) s"
  }

  package var json: JSONValue {
    [
      "plugin": .string(plugin), "version": .string(version),
      "abi": abi.map { .string($0) } ?? .null, "asked": .string(asked.rawValue),
      "level": reached.map { .string($0.rawValue) } ?? .null, "seed": .string("\(seed)"), "spent_ms": .integer(spentMs),
      "passed": .bool(isGood),
      "checks": .array(
        results.map { result in
          [
            "name": .string(result.name), "level": .string(result.level.rawValue), "clause": .string(result.clause),
            "sentence": .string(result.sentence), "status": .string(result.status.rawValue),
            "reason": .string(result.reason), "spent_ms": .integer(result.spentMs),
          ]
        }),
    ]
  }

  /// JUnit's XML, as CI systems read it.
  package var junit: String {
    let cases = results.map { result in
      let inner: String
      switch result.status {
      case .pass: inner = ""
      case .warn: inner = "<system-out>\(Self.escaped(result.reason))</system-out>"
      case .fail: inner = "<failure message=\"\(Self.escaped(result.reason))\"/>"
      case .crash, .timeout, .blocked:
        inner = "<error type=\"\(result.status.rawValue)\" message=\"\(Self.escaped(result.reason))\"/>"
      case .skip, .inapplicable: inner = "<skipped message=\"\(Self.escaped(result.reason))\"/>"
      }
      let time = "\(result.spentMs / 1_000).\(String("\(1_000 + result.spentMs % 1_000)".dropFirst()))"
      return
        "  <testcase classname=\"\(result.level.rawValue)\" name=\"\(result.name)\" time=\"\(time)\">\(inner)</testcase>\n"
    }
    let failures = count(.fail), errors = count(.crash) + count(.timeout) + count(.blocked),
      skipped = count(.skip) + count(.inapplicable)
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      + "<testsuite name=\"\(Self.escaped(plugin))\" tests=\"\(results.count)\" failures=\"\(failures)\" errors=\"\(errors)\" skipped=\"\(skipped)\">\n"
      + cases.joined() + "</testsuite>\n"
  }

  /// XML 1.0, 2.2: control characters cannot be written at all.
  private static func escaped(_ text: String) -> String {
    text.unicodeScalars.map { scalar in
      switch scalar {
      case "&": "&amp;"
      case "<": "&lt;"
      case ">": "&gt;"
      case "\"": "&quot;"
      case _ where scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF: "?"
      default: String(scalar)
      }
    }.joined()
  }
}
