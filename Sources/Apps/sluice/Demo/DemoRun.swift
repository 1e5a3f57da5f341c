import CanonicalJSON
import Domain
import Foundation
import HTTPEdge
import SluiceHost

/// One demo: a world, a host, a tenant, and business time in lockstep between them.
final class DemoRun {
  static let tenant = TenantID(rawValue: "demo")!
  static let source = InstanceID(rawValue: "crm")!
  static let approver = UserID(rawValue: "demo-approver")!

  private let options: Demo
  private let folder: String
  private let screen = DemoScreen()
  private let stop = StopSignals()
  private var approver: DemoApprover?
  private var judged = DemoApprover.Judged()
  private var startedMs: Int64 = 0

  init(options: Demo, folder: String) {
    self.options = options
    self.folder = folder
  }

  func run() async throws {
    startedMs = SystemSources.monotonicMs()
    let world = try WorldProcess(arguments: options.worldArguments, folder: folder)
    defer { world.stop() }
    let logFile = try LogFile(path: folder + "/host.log")
    var hostOptions = Installation.options(
      dataFolder: folder + "/data", log: HostLog(least: .info, write: logFile.write))
    hostOptions.hostKeyPath = folder + "/host.key"
    let host = try await RunningHost(hostOptions)
    let control = try ControlServer.serving(host, as: Installation.operatorID)
    defer { control.close() }
    let edge = try Listening(address: options.listen, host: host)
    let address = try await edge.start()
    screen.opening(mode: options.mode.rawValue, console: address, world: world, folder: folder)
    try await prepare(host, world, address)

    let total = min(options.days ?? .max, world.announcement.businessDays)
    let person =
      options.auto || options.mode == .observe
      ? nil : DemoPerson(host: host, console: address, screen: screen, stop: stop)
    var day: BusinessDay? = world.announcement.firstDay
    var count = 0
    var lastDay = world.announcement.firstDay
    while let today = day {
      lastDay = today
      try await process(today, host)
      if stop.hasArrived { return try await end(on: today, host, edge) }
      count += 1
      if screen.isDue(count, of: total) { try await show(host, today, count, of: total) }
      if options.auto {
        try await judge(host, today)
      } else {
        try await person?.meet(count) { try await show(host, today, count, of: total) }
      }
      if stop.hasArrived { return try await end(on: today, host, edge) }
      if count == total { break }
      day = try await world.closeDay(today)
    }
    // What the last day's effects changed comes back by one more pull.
    try await host.pullOnce(Self.tenant, Self.source)
    try await show(host, lastDay, count, of: count)
    if !options.auto { await waitForPerson(address) }
    try await close(host, world, seconds: Double(SystemSources.monotonicMs() - startedMs) / 1000)
    await edge.stop()
    try await host.stop()
  }

  /// Somebody wants it to end now.
  private func end(on day: BusinessDay, _ host: RunningHost, _ edge: Listening) async throws {
    await edge.stop()
    try await host.stop()
    throw DemoError.stopped(day: day)
  }

  /// A tenant with its rules, its connectors and their secrets.
  private func prepare(_ host: RunningHost, _ world: WorldProcess, _ address: String) async throws {
    func ask(_ command: String, _ arguments: [String: JSONValue]) async throws -> JSONValue {
      try await self.ask(host, command, arguments)
    }
    _ = try await ask("tenant.create", [:])
    let rules = try DemoRules.folder(from: options.configuration, in: folder, managers: world.announcement.managers)
    _ = try await ask("apply", ["folder": .string(rules)])
    _ = try await ask("tenant.mode", ["mode": .string(options.mode.rawValue)])
    _ = try await ask("user.create", ["name": .string(Self.approver.rawValue), "roles": ["approver", "operator"]])
    try await host.run()
    let endpoints: JSONValue = ["crm": .string(world.address)]
    for (slot, value) in [("api", world.credentials.token), ("webhook", world.credentials.webhookSecret)] {
      _ = try await ask("secret.set", ["instance": "crm", "slot": .string(slot), "value": .string(value)])
    }
    if options.mode == .act {
      _ = try await ask(
        "secret.set", ["instance": "crm-actions", "slot": "api", "value": .string(world.credentials.token)])
      _ = try await ask("connector.enable", ["name": "crm-actions", "endpoints": endpoints, "allow_private": true])
    }
    _ = try await ask(
      "connector.enable",
      [
        "name": "crm", "endpoints": endpoints, "allow_private": true, "replay": true,
        "config": ["page_size": .integer(Int64(options.pageSize))],
      ])
    if options.auto, options.mode == .act {
      let token = try await ask("user.token", ["name": .string(Self.approver.rawValue)])["token"]?.string ?? ""
      approver = DemoApprover(address: address, token: token)
    }
    if !options.auto {
      let link = try await ask("user.link", ["name": .string(Self.approver.rawValue)])
      screen.signIn(address + (link["path"]?.string ?? ""))
    }
    let hook = try await ask("connector.hook", ["instance": "crm"])
    try await world.sendWebhooks(to: address + (hook["path"]?.string ?? ""))
  }

  private func show(_ host: RunningHost, _ day: BusinessDay, _ number: Int, of total: Int) async throws {
    let elapsedMs = SystemSources.monotonicMs() - startedMs
    screen.progress(try await DemoFigures(host, day: day, number: number, of: total, elapsedMs: elapsedMs))
  }

  /// Returns when everything that the day gave has been perceived, decided, judged and, where allowed, done; or when
  /// somebody wants the demo to end: a day whose source was paused by hand is never over.
  private func process(_ day: BusinessDay, _ host: RunningHost) async throws {
    try await host.instance(Self.tenant, Self.source).poke()
    try await stop.unlessItComes { try await host.whenProcessed(Self.tenant, day) }
  }

  /// Answers what the day holds, and returns when what was approved is done.
  private func judge(_ host: RunningHost, _ day: BusinessDay) async throws {
    guard let approver else { return }
    let now = try await approver.judgeAll()
    judged.approved += now.approved
    judged.rejected += now.rejected
    judged.refused += now.refused
    if now.approved > 0 { try await host.whenProcessed(Self.tenant, day) }
  }

  private func waitForPerson(_ address: String) async {
    screen.line("Every day is processed. The console stays open at \(address); Ctrl-C ends the demo.")
    await stop.wait()
  }

  private func ask(
    _ host: RunningHost, _ command: String, _ arguments: [String: JSONValue] = [:]
  ) async throws -> JSONValue {
    try await Self.ask(host, command, arguments)
  }

  static func ask(
    _ host: RunningHost, _ command: String, _ arguments: [String: JSONValue]
  ) async throws -> JSONValue {
    var all = arguments
    all["tenant"] = .string(tenant.rawValue)
    return try await HostCommand.named(command).run(
      .init(host: host, arguments: .object(all), user: Installation.operatorID))
  }

  private func storedVersions(_ host: RunningHost, of stream: String) async throws -> [String: Set<Int>] {
    var stored: [String: Set<Int>] = [:]
    var last: JSONValue?
    while true {
      var arguments: [String: JSONValue] = [
        "instance": .string(Self.source.rawValue), "stream": .string(stream), "limit": 1_000,
      ]
      arguments["after"] = last
      let rows = try await ask(host, "record.versions", arguments).array ?? []
      for row in rows {
        stored[row["key"]?.string ?? ""] = Set((row["versions"]?.array ?? []).compactMap { $0.integer.map(Int.init) })
      }
      guard rows.count == 1_000, let key = rows.last?["key"] else { return stored }
      last = key
    }
  }

  /// Checks what can be checked, tells it, and writes the summary.
  private func close(_ host: RunningHost, _ world: WorldProcess, seconds: Double) async throws {
    guard case .object(var summary) = try await host.summary(Self.tenant) else { return }
    screen.closing(.object(summary), seconds: seconds)
    let effects = try await world.effects()
    let account = DemoAccount(
      effects: effects.all, started: try await ask(host, "effect.list").array ?? [],
      versions: try await world.versions(of: "opportunities"),
      stored: try await storedVersions(host, of: "opportunities"))
    let ledger = try await ask(host, "ledger.verify")
    let replay = try await ask(host, "decision.replay")
    screen.proof(account: account, judged: judged, ledger: ledger, replay: replay)
    summary["mode"] = .string(options.mode.rawValue)
    summary["effects"] = account.json
    summary["approvals"] = [
      "approved": .integer(Int64(judged.approved)), "rejected": .integer(Int64(judged.rejected)),
      "refused": .integer(Int64(judged.refused)),
    ]
    summary["ledger"] = ledger
    summary["replay"] = replay
    summary["seconds"] = .integer(Int64(seconds))
    // Beside a folder that is kept: what the world itself says was done to it.
    if options.keep || options.dataDir != nil {
      let path = folder + "/effects.json"
      try OperatorFile.writing(path) {
        let record: JSONValue = ["items": .array(effects.all), "superseded": .array(effects.superseded)]
        try Data((record.canonicalText + "\n").utf8).write(to: URL(fileURLWithPath: path))
      }
    }
    if let path = options.summary {
      try OperatorFile.writing(path) {
        try Data((JSONValue.object(summary).canonicalText + "\n").utf8).write(to: URL(fileURLWithPath: path))
      }
    }
    guard account.isSound else { throw DemoError.unsound(account.json.canonicalText) }
  }
}

/// The host's log in a file, so that the screen stays readable.
final class LogFile: Sendable {
  private let handle: FileHandle
  init(path: String) throws {
    _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
    handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
  }
  @Sendable func write(_ line: String) { StandardStream.write(line + "\n", to: handle.fileDescriptor) }
}
