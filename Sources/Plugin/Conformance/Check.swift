// Conformance: does a plugin keep the ABI's rules? Comes in: a library, its manifest, what its upstream would answer.
// Goes out: one verdict for each check, with the clause of docs/abi.md that it is about. It needs no network, no source code
// and no running host; it uses the product's own worker, request rules and egress.

/// How much a plugin claims of itself; each level includes the one before.
package enum Level: String, Sendable, CaseIterable, Comparable {
  /// It loads, is described truly, and does what it is for.
  case basic
  /// It survives crashes, pauses, faults of the upstream and its own configuration.
  case standard
  /// It survives what a hostile upstream, host or operator may do.
  case hardened

  package static func < (left: Level, right: Level) -> Bool {
    allCases.firstIndex(of: left)! < allCases.firstIndex(of: right)!
  }
}

/// One thing that a plugin must do, or must not.
package struct Check: Sendable {
  /// Stable: reports, skips and mutants use it.
  package let name: String
  package let level: Level
  /// The rule, as `docs/abi.md` or the manifest's guide numbers it.
  package let clause: String
  /// What is so when it passes, for people.
  package let sentence: String
  /// Why it says nothing of this plugin; nil when it does.
  let inapplicable: @Sendable (Subject) -> String?
  let run: @Sendable (Stand) async throws -> Finding

  init(
    _ name: String, _ level: Level, _ clause: String, _ sentence: String,
    unless inapplicable: @escaping @Sendable (Subject) -> String? = { _ in nil },
    run: @escaping @Sendable (Stand) async throws -> Finding
  ) {
    self.name = name
    self.level = level
    self.clause = clause
    self.sentence = sentence
    self.inapplicable = inapplicable
    self.run = run
  }
}

/// What a check found when nothing was wrong.
enum Finding: Sendable, Equatable {
  case fine
  /// Worth a look, and no fault.
  case warning(String)
  /// It is about something that the library, when it was asked, turned out not to have.
  case inapplicable(String)
  static func noted(_ warnings: [String]) -> Finding {
    warnings.isEmpty ? .fine : .warning(warnings.joined(separator: " "))
  }
}

/// What is wrong with the plugin.
struct Fault: Error, Equatable {
  enum Kind: Sendable {
    case failed, crashed, hung
    /// It never came to what the check is about.
    case notStarted
  }
  let kind: Kind
  let reason: String
  init(_ reason: String, kind: Kind = .failed) {
    self.reason = reason
    self.kind = kind
  }
}

/// How one check ended.
package struct CheckResult: Sendable, Equatable {
  package enum Status: String, Sendable, CaseIterable {
    case pass, warn, fail, crash, timeout
    /// It could not be checked, since the plugin does not start: `load-rtld-now` and `configure-ok` say why.
    case blocked
    /// Left out on the author's word: the manifest gives the reason.
    case skip
    /// It is about something that this plugin does not have.
    case inapplicable = "n/a"
  }
  package let name: String
  package let level: Level
  package let clause: String
  package let sentence: String
  package let status: Status
  package let reason: String
  package let spentMs: Int64

  package var isBad: Bool { [.fail, .crash, .timeout, .blocked].contains(status) }
}
