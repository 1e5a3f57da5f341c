import CanonicalJSON
import Domain
import Foundation
import SluiceHost

/// The demo on a terminal: one screen, redrawn; without a terminal, a line every thirty days.
final class DemoScreen {
  private let isTerminal = isatty(STDOUT_FILENO) == 1
  private var drawnLines = 0
  private var drawnAtMs: Int64 = 0

  func line(_ text: String) {
    StandardStream.output(text + "\n")
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
      Console: \(console)   On another terminal: sluice top --data-dir \(folder)/data
      """)
  }

  /// Whether it is time for another picture: people read no more than a few a second.
  func isDue(_ number: Int, of total: Int) -> Bool {
    if number >= total { return true }
    guard isTerminal else { return number % 30 == 1 }
    return SystemSources.monotonicMs() - drawnAtMs > 200
  }

  func progress(_ figures: DemoFigures) {
    guard isTerminal else { return line(Self.sentence(figures)) }
    drawnAtMs = SystemSources.monotonicMs()
    let lines = Self.picture(figures)
    let clear = drawnLines > 0 ? "\u{1B}[\(drawnLines)A\u{1B}[J" : ""
    StandardStream.output(clear + lines.joined(separator: "\n") + "\n")
    drawnLines = lines.count
  }

  private static func sentence(_ figures: DemoFigures) -> String {
    func sum(_ counts: [String: Int64]) -> Int64 { counts.values.reduce(0, +) }
    return "\(figures.day)  day \(figures.number)/\(figures.total)  records \(figures.records) "
      + "(\(figures.recordsPerSecond)/s)  signals \(sum(figures.signals))  decisions \(sum(figures.proposals))  "
      + "allowed \(figures.verdicts["allow"] ?? 0)  waiting for a person \(figures.held)  "
      + "executed \(figures.effects["done"] ?? 0)  ledger \(figures.ledger)"
  }

  private static func picture(_ figures: DemoFigures) -> [String] {
    let width = 40
    let filled = figures.number * width / max(figures.total, 1)
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
    let signals = figures.signals.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)".padded(34) }
    return [
      "", "\(figures.day)  [\(bar)] day \(figures.number) of \(figures.total)", "",
      "IN        records \(figures.records) (\(figures.recordsPerSecond)/s)   requests \(figures.requests)   "
        + "webhooks \(figures.deliveries)   journal \(figures.position) entries",
    ]
      + stride(from: 0, to: signals.count, by: 2).map { index in
        (index == 0 ? "CHANGED   " : "          ") + signals[index..<min(index + 2, signals.count)].joined()
      } + [
        "DECIDED   " + list(figures.proposals), "POLICY    " + list(figures.verdicts),
        "PEOPLE    \(figures.held) wait for an answer   " + list(figures.choices),
        "DONE      " + list(figures.effects), "PROOF     ledger \(figures.ledger) entries",
        "WAITS     " + figures.waits.map { "\(words($0.cause)) \($0.ms) ms" }.joined(separator: "   "),
      ]
  }

  private static func list(_ counts: [String: Int64]) -> String {
    counts.sorted { $0.key < $1.key }.map { "\(words($0.key)) \($0.value)" }.joined(separator: "   ")
  }

  private static func words(_ name: String) -> String { name.replacing("_", with: " ") }

  func signIn(_ link: String) { line("Sign in as demo-approver within five minutes, once: \(link)") }

  /// The day stands still: what a person can do now.
  func pause(held: Int, console: String, link: String) {
    line(
      """

      \(held == 1 ? "One call waits" : "\(held) calls wait") for a person, and the day with them: \(console)/approvals
      Sign in as demo-approver within five minutes, once: \(link)
      Judge them there, or press Enter to go on without an answer.
      """)
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
          \(account.unread.count) of ours overwritten before anybody could read them, not accounted for \(account.unaccounted.count)
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
