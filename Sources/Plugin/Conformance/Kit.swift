import ConnectorFabric
import Domain
import PluginHost
import SluiceHost
import Synchronization
package import UVLoop

/// Every check, in the order of reports. The one place where a check is added.
extension Check {
  package static let all: [Check] =
    library + descriptor + previous + lifecycle + source + delivery + egress + executor + chance
}

/// Checks one plugin.
package struct Kit: Sendable {
  package struct Options: Sendable {
    package var level = Level.hardened
    /// The same seed gives the same keys, configurations, answers and places of death.
    package var seed: UInt64 = 1
    /// Only these checks; all when empty.
    package var only: Set<String> = []
    /// How many checks run at once.
    package var width = 2
    package init() {}
  }

  private let subject: Subject
  private let options: Options
  /// The path of `sluice-worker`.
  private let program: String
  private let loop: EventLoop

  package init(_ subject: Subject, options: Options = Options(), program: String, loop: EventLoop) {
    self.subject = subject
    self.options = options
    self.program = program
    self.loop = loop
  }

  /// Runs the checks of the level and those below.
  /// - Parameter told: Each result as it comes; the report has them in order.
  /// - Throws: `KitError.unknownCheck` when `only` or the manifest's skips name one that does not exist.
  package func run(told: @escaping @Sendable (CheckResult) -> Void = { _ in }) async throws -> Report {
    let known = Set(Check.all.map(\.name))
    for name in options.only.union(subject.skipped.keys).subtracting(known).sorted() {
      throw KitError.unknownCheck(name: name)
    }
    let chosen = Check.all.filter { check in
      options.only.isEmpty ? check.level <= options.level : options.only.contains(check.name)
    }
    let begin = SystemSources.monotonicMs()
    var results: [String: CheckResult] = [:]
    await withTaskGroup(of: CheckResult.self) { group in
      var rest = chosen[...]
      func next() {
        if let check = rest.popFirst() { group.addTask { await result(of: check) } }
      }
      for _ in 0..<options.width { next() }
      for await result in group {
        results[result.name] = result
        told(result)
        next()
      }
    }
    return Report(
      plugin: subject.manifest.name, version: subject.manifest.version,
      abi: LibraryNote.find(subject.image).map { "\($0.major).\($0.minor)" }, asked: options.level, seed: options.seed,
      results: chosen.compactMap { results[$0.name] }, isWhole: options.only.isEmpty,
      spentMs: SystemSources.monotonicMs() - begin)
  }

  /// The checks that are about starting itself.
  package static let starting: Set<String> = ["load-rtld-now", "configure-ok"]

  private static func status(_ kind: Fault.Kind, of check: Check) -> CheckResult.Status {
    switch kind {
    case .failed: .fail
    case .crashed: .crash
    case .hung: .timeout
    case .notStarted: starting.contains(check.name) ? .fail : .blocked
    }
  }

  private func result(of check: Check) async -> CheckResult {
    let begin = SystemSources.monotonicMs()
    func ended(_ status: CheckResult.Status, _ reason: String = "") -> CheckResult {
      CheckResult(
        name: check.name, level: check.level, clause: check.clause, sentence: check.sentence, status: status,
        reason: reason, spentMs: SystemSources.monotonicMs() - begin)
    }
    if let reason = subject.skipped[check.name] { return ended(.skip, reason) }
    if let reason = check.inapplicable(subject) { return ended(.inapplicable, reason) }
    let stand: Stand
    do {
      stand = try Stand(subject, check: check.name, seed: options.seed, program: program, loop: loop)
    } catch {
      return ended(.fail, (error as? any OperatorError)?.message ?? "\(error)")
    }
    let finding: Result<Finding, any Error>
    do { finding = .success(try await check.run(stand)) } catch { finding = .failure(error) }
    await stand.close()
    switch finding {
    case .success(.fine): return ended(.pass)
    case .success(.warning(let reason)): return ended(.warn, reason)
    case .success(.inapplicable(let reason)): return ended(.inapplicable, reason)
    case .failure(let fault as Fault): return ended(Self.status(fault.kind, of: check), fault.reason)
    case .failure(let failure as WorkerFailure):
      return ended(Self.status(Stand.kind(failure), of: check), failure.message)
    case .failure(let error): return ended(.fail, (error as? any OperatorError)?.message ?? "\(error)")
    }
  }
}
