import Domain
import Testing

/// The audit itself is tested: a host with one mistake must be found out, by the invariant that it breaks.
@Suite struct `A simulated host with a fault` {
  @Test(arguments: Fault.allCases)
  func `is found out by the invariant that it breaks`(fault: Fault) throws {
    let files = try ReviewedFiles()
    var others: [String] = []
    for seed in 1...60 as ClosedRange<UInt64> {
      guard let found = try violation(Setting(seed: seed), files, fault) else { continue }
      // A fault may show as something else as well.
      if fault.rules.contains(where: { found.hasPrefix($0) || found.contains("[\($0)]") }) { return }
      others.append("seed \(seed): \(found)")
    }
    Issue.record("nothing was seen of it but \(others)")
  }

  private func violation(_ setting: Setting, _ files: ReviewedFiles, _ fault: Fault) throws -> String? {
    let run = Simulation(setting, files: files, fault: fault)
    do { try run.run() } catch { return "\(error)" }
    guard fault == .saltsFromElsewhere else { return nil }
    let again = Simulation(setting, files: files, fault: fault)
    try again.run()
    return run.around.disk.journal.digest == again.around.disk.journal.digest ? nil : "two runs differ"
  }
}
