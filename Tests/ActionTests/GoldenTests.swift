import Domain
import Foundation
import MemoryStorage
import Policy
import TestKit
import Testing

/// The persisted rows, as reviewed text. `UPDATE_GOLDEN=1` rewrites them; a change there is a change of format.
@Suite struct `The persisted form` {
  @Test func `of what policy and action keep is golden`() throws {
    let bench = try ActionBench(governance: ["sluice": 1, "holds_per_approver_per_day": 2])
    let proposals = ["a", "b", "c"].map { Sample.close($0) } + [Sample.fix("d"), Sample.fix("e")]
    try bench.propose(proposals)
    for proposal in proposals[..<3] where try bench.approval(proposal) != nil {
      try bench.answer(proposal)
      break
    }
    let starts = try bench.execute()
    try bench.report(starts[0], .done)
    try bench.report(starts[1], .unknown)
    try bench.order(.undo, starts[0].action.hex)
    try bench.order(.kill, "tool:crm.close_lost", "wrong prices")
    try bench.order(.kill, "nothing")
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/rows.txt")
    let text = try bench.dump() + "\n"
    if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" { try Data(text.utf8).write(to: file) }
    #expect(try String(contentsOf: file, encoding: .utf8) == text, "Golden/rows.txt")
  }
}
