import CanonicalJSON
import Domain
import Foundation

/// The demo on a terminal: one screen, redrawn; without a terminal, a line every thirty days.
final class DemoScreen {
  private let isTerminal = isatty(STDOUT_FILENO) == 1
  private var drawnLines = 0
  private var drawnAtMs: Int64 = 0

  func line(_ text: String) {
    FileHandle.standardOutput.write(Data((text + "\n").utf8))
    drawnLines = 0
  }

  func opening(mode: String, console: String, world: WorldProcess, folder: String) {
    line(
      """
      Sluice demo: a CRM of \(world.announcement.businessDays) business days, \(world.announcement.firstDay) to \
      \(world.announcement.lastDay), played one day at a time.
      Tenant demo is in mode \(mode.uppercased()): \(mode == "act"
        ? "policy decides what is done at once, what waits for a person, and what is refused."
        : "it only watches; nothing is changed in the CRM.")
      Console: \(console)   Data: \(folder)
      """)
  }

  func progress(_ figures: DemoFigures) {
    let isLast = figures.number >= figures.total
    if !isTerminal {
      if figures.number % 30 == 1 || isLast {
        line(
          "day \(figures.number)/\(figures.total)  \(figures.day)  records \(figures.records)  "
            + "signals \(figures.signals.values.reduce(0, +))")
      }
      return
    }
    let now = Int64(Date().timeIntervalSince1970 * 1000)
    guard isLast || now - drawnAtMs > 200 else { return }
    drawnAtMs = now
    draw(figures)
  }

  private func draw(_ figures: DemoFigures) {
    let width = 40
    let filled = figures.number * width / max(figures.total, 1)
    var lines = [
      "",
      "\(figures.day)  [\(String(repeating: "#", count: filled))\(String(repeating: ".", count: width - filled))] "
        + "day \(figures.number) of \(figures.total)",
      "records in \(figures.records)   requests \(figures.requests)   webhooks \(figures.deliveries)   journal \(figures.position)",
      "", "SIGNALS",
    ]
    for (kind, count) in figures.signals.sorted(by: { $0.key < $1.key }) {
      lines.append("  \(kind.padded(32)) \(count)")
    }
    lines.append("")
    lines.append("waits  " + figures.waits.map { "\($0.cause) \($0.ms) ms" }.joined(separator: "   "))
    let clear = drawnLines > 0 ? "\u{1B}[\(drawnLines)A\u{1B}[J" : ""
    FileHandle.standardOutput.write(Data((clear + lines.joined(separator: "\n") + "\n").utf8))
    drawnLines = lines.count
  }

  /// A sign-in is for one person and one use; the automatic demo needs none.
  func signIn(_ link: String, isAuto: Bool) {
    if !isAuto { line("Sign in as demo-approver within five minutes, once: \(link)") }
  }

  func proof(account: DemoAccount, judged: DemoApprover.Judged, ledger: JSONValue, replay: JSONValue) {
    let tools = account.byTool.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    line(
      """

      WHAT WAS DONE, AND THE PROOF
        Effects that the CRM recorded        \(account.applied)\(tools.isEmpty ? "" : "  (\(tools))")
          doubled \(account.doubled), without a permit \(account.unpermitted), claimed but missing \(account.missing)
        Held calls judged by a person        \(judged.approved) approved, \(judged.rejected) rejected, \(judged.refused) no longer standing
        Deal versions in the CRM and here    \(account.worldVersions) and \(account.storedVersions)
        Ledger                               \(ledger["size"]?.integer ?? 0) entries, \(ledger["payloads_checked"]?.integer ?? 0) payloads: verified by separate code
        Replay                               \(replay["decisions"]?.integer ?? 0) decisions recomputed from \(replay["entries"]?.integer ?? 0) entries, byte for byte the same
      """)
  }

  func closing(_ summary: JSONValue, seconds: Double) {
    func money(_ key: String) -> String {
      let dollars = summary["money"]?[key]?.integer ?? 0
      return String(format: "%.2f M", Double(dollars) / 1_000_000)
    }
    func count(_ key: String) -> Int64 { summary["money"]?[key]?.integer ?? 0 }
    let stalled = summary["signals"]?["deal.stalled"]?.integer ?? 0
    let closed = (summary["stalled_then_closed"]?.object ?? [:]).values.reduce(0) { $0 + ($1.integer ?? 0) }
    line(
      """

      WHAT IT SAYS IN MONEY
        Open pipeline at list price                       \(money("open_at_list"))
          of which older than any deal that ever closed   \(money("open_older_than_any_closed_at_list"))  (\(count("open_older_than_any_closed")) deals, more than \(count("longest_cycle_days")) days)
        Won revenue                                       \(money("won_total"))
          of which falls out of product reports, for its product is written as an alias: \(money("won_under_alias"))
        Deals flagged as stalled                          \(stalled), of which \(closed) closed later
      Done in \(String(format: "%.1f", seconds)) s.
      """)
  }
}
