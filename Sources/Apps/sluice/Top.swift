import ArgumentParser
import CanonicalJSON
import Domain
import Foundation
import SluiceHost

struct Top: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top", abstract: "What flows, what waits and why, of the last seconds; live on a terminal.")

  @OptionGroup var everywhere: Everywhere
  @Option(help: "Seconds between two pictures.") var interval = 1.0
  @Option(
    help: "What comes first: \(TopPicture.Order.allCases.map(\.rawValue).joined(separator: ", ")); < and > change it.")
  var sort = TopPicture.Order.wait
  @Flag(help: "One picture.") var once = false

  func validate() throws {
    guard (0.1...3600).contains(interval) else { throw ValidationError("--interval takes 0.1 to 3600 seconds") }
  }

  func run() async throws {
    if everywhere.json {
      try await everywhere.ask("top")
      return
    }
    guard !once, isatty(STDOUT_FILENO) == 1 else {
      let answer = try await everywhere.answer("top", ["tenant": .string(everywhere.tenant)])
      return StandardStream.output(TopPicture(answer, order: sort).lines.joined(separator: "\n") + "\n")
    }
    try await runLive()
  }

  private func runLive() async throws {
    let terminal = TerminalEvents()
    defer { terminal.end() }
    var (order, answer) = (sort, JSONValue.null)
    var event: TerminalEvents.Event? = .timeout
    while let happened = event {
      switch happened {
      case .key("q"): return
      case .key(">"): order = order.next(by: 1)
      case .key("<"): order = order.next(by: -1)
      case .key: break
      case .timeout: answer = try await everywhere.answer("top", ["tenant": .string(everywhere.tenant)])
      }
      let keys = terminal.hasKeys ? "   < and > change it, q ends" : ""
      let lines = TopPicture(answer, order: order).lines + ["", "by \(order.rawValue)\(keys)"]
      // From the corner on: lines that are wider than the terminal take more than one of its rows.
      StandardStream.output("\u{1B}[H\u{1B}[J" + lines.joined(separator: "\n") + "\n")
      event = await terminal.next(within: .milliseconds(Int(interval * 1000)))
    }
  }
}

/// A picture of one answer of `top`, in which the host says what happened of late.
struct TopPicture {
  enum Order: String, CaseIterable, ExpressibleByArgument {
    case wait, rate, age, requests, flight, credit, pushed, drops, retries, dead, name

    func next(by step: Int) -> Order {
      let all = Order.allCases
      return all[(all.firstIndex(of: self)! + step + all.count) % all.count]
    }
  }

  private struct Row {
    let name, state: String
    let recordsPerSecond, requestsPerSecond, kilobytesPerSecond: Double
    let limit, inFlight, queued, oldestWaitMs, pushed, oldestPushMs: Int64
    /// Nil while no operation is under way.
    let credit: Int64?
    let records, retries, drops, deadLetters, percent: Int64
    let waitsFor: String?

    init(_ row: JSONValue, windowMs: Int64) {
      let (recent, throttle, wait) = (
        row["recent"] ?? [:], row["throttle"] ?? [:], row["waits_for"]?.array?.first ?? [:]
      )
      func number(_ value: JSONValue, _ key: String) -> Int64 { value[key]?.integer ?? 0 }
      func perSecond(_ key: String) -> Double { Double(number(recent, key)) * 1000 / Double(windowMs) }
      name = row["instance"]?.string ?? ""
      state = (row["state"]?.string ?? "").harmless
      (recordsPerSecond, requestsPerSecond) = (perSecond("records"), perSecond("requests"))
      kilobytesPerSecond = perSecond("bytes") / 1024
      (limit, inFlight) = (number(throttle, "limit"), number(throttle, "in_flight"))
      (queued, oldestWaitMs) = (number(throttle, "queued"), number(throttle, "oldest_wait_ms"))
      let deliveries = row["deliveries"] ?? [:]
      (pushed, oldestPushMs) = (number(deliveries, "waiting"), number(deliveries, "oldest_wait_ms"))
      credit = row["credit"]?.integer
      (records, retries) = (number(row, "records"), number(row, "retries"))
      drops = number(row, "refusals") + number(row, "drops")
      deadLetters = number(row, "dead_letters")
      percent = number(wait, "percent")
      waitsFor = wait["words"]?.string
    }
  }

  let lines: [String]

  init(_ answer: JSONValue, order: Order) {
    func number(_ key: String) -> Int64 { answer[key]?.integer ?? 0 }
    let windowMs = max(1, number("window_ms"))
    let rows = (answer["instances"]?.array ?? []).map { Row($0, windowMs: windowMs) }.sorted {
      Self.comes($0, before: $1, by: order)
    }
    var lines = [
      "applied \(number("applied_position")), \(number("unapplied")) to go   ledger \(number("ledger_entries"))   "
        + "held for people \(number("held"))   dead letters \(number("dead_letters"))   of the last "
        + "\(max(1, (windowMs + 500) / 1000)) s",
      "", Self.columns.map { $0.head.padded($0.width) }.joined() + "WAITS FOR",
    ]
    for row in rows {
      // What is nothing, rounded, is no wait.
      let waits = row.percent > 0 ? row.waitsFor.map { "\($0), \(row.percent) %" } ?? "-" : "-"
      lines.append(Self.columns.map { $0.text(row).padded($0.width) }.joined() + waits)
    }
    // Of an older host it is not said; that one runs.
    let isRunning = answer["is_running"]?.bool ?? true
    let sentence = answer["bottleneck"]?["sentence"]?.string?.harmless ?? ""
    lines += ["", isRunning ? sentence : "No host runs on this folder: nothing flows. Start one with `sluice up`."]
    self.lines =
      lines + (answer["obstacles"]?.array ?? []).compactMap { $0.string?.harmless }.map { "IN THE WAY  " + $0 }
  }

  private static let columns: [(head: String, width: Int, text: @Sendable (Row) -> String)] = [
    ("INSTANCE", 20, { $0.name }), ("STATE", 28, { String($0.state.prefix(26)) }),
    ("RECORDS/S", 11, { rate($0.recordsPerSecond) }), ("KB/S", 9, { rate($0.kilobytesPerSecond) }),
    ("REQUESTS/S", 12, { rate($0.requestsPerSecond) }), ("RECORDS", 11, { "\($0.records)" }),
    ("FLIGHT", 9, { "\($0.inFlight)/\($0.limit)" }), ("CREDIT", 9, { $0.credit.map { "\($0)" } ?? "-" }),
    ("QUEUED", 8, { "\($0.queued)" }), ("OLDEST", 9, { age($0.queued, $0.oldestWaitMs) }),
    ("PUSHED", 8, { "\($0.pushed)" }), ("OLDEST", 9, { age($0.pushed, $0.oldestPushMs) }),
    ("DROPS", 8, { "\($0.drops)" }),
    ("RETRIES", 9, { "\($0.retries)" }), ("DEAD", 7, { "\($0.deadLetters)" }),
  ]

  private static func comes(_ left: Row, before right: Row, by order: Order) -> Bool {
    func most<Value: Comparable>(_ value: (Row) -> Value) -> Bool {
      (value(left), right.name) > (value(right), left.name)
    }
    return switch order {
    // Who is parked waits for a person, and for longer than anybody.
    case .wait: most { $0.state.hasPrefix("parked") ? .max : $0.percent }
    case .rate: most(\.recordsPerSecond)
    case .age: most(\.oldestWaitMs)
    case .requests: most(\.requestsPerSecond)
    case .flight: most(\.inFlight)
    // Least first: who has none is held back.
    case .credit: most { -($0.credit ?? .max) }
    case .pushed: most(\.oldestPushMs)
    case .drops: most(\.drops)
    case .retries: most(\.retries)
    case .dead: most(\.deadLetters)
    case .name: left.name < right.name
    }
  }

  private static func age(_ count: Int64, _ oldestMs: Int64) -> String {
    count == 0 ? "-" : String(format: "%.1f s", Double(oldestMs) / 1000)
  }

  private static func rate(_ value: Double) -> String { String(format: value < 10 ? "%.1f" : "%.0f", value) }
}
