internal import ArgumentParser
internal import Dispatch
internal import Foundation

/// The command line of `sluice-world`.
package enum WorldCommandLine {
  /// Runs the command that the arguments name, and ends the process: 0 done, 1 failed, 2 wrong usage or wrong files.
  package static func main() async -> Never {
    do {
      var command = try WorldRoot.parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
      exit(0)
    } catch let error as SetupError {
      fail(error.description, code: 2)
    } catch  where WorldRoot.exitCode(for: error) == .success {
      print(WorldRoot.fullMessage(for: error))
      exit(0)
    } catch  where WorldRoot.exitCode(for: error) == .validationFailure {
      fail(WorldRoot.message(for: error), code: 2)
    } catch {
      fail("\(error)", code: 1)
    }
  }

  private static func fail(_ message: String, code: Int32) -> Never {
    let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    FileHandle.standardError.write(Data("sluice-world: \(line)\n".utf8))
    exit(code)
  }
}

struct WorldRoot: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sluice-world", abstract: "Somebody else's CRM, simulated: a pipeline played back day by day.",
    subcommands: [Serve.self, Generate.self], defaultSubcommand: Serve.self)
}

struct MadeUp: ParsableArguments {
  @Option(help: "Decides the made-up data, the fate of webhooks and the credentials.")
  var seed: UInt64 = 1
  @Option(help: "Deals in a made-up pipeline.")
  var opportunities = 8_800
  @Option(help: "Business days of a made-up pipeline.")
  var days = 438

  func validate() throws {
    guard (2...1_000_000).contains(opportunities) else {
      throw ValidationError("--opportunities must be in 2…1000000")
    }
    guard (2...36_500).contains(days) else { throw ValidationError("--days must be in 2…36500") }
  }

  var pipeline: Pipeline { .generated(seed: seed, size: .init(opportunities: opportunities, days: days)) }
}

struct Generate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Write a made-up pipeline as CSV files.")
  @OptionGroup var madeUp: MadeUp
  @Option(help: ArgumentHelp("The folder to write to.", valueName: "dir"))
  var to: String

  func run() async throws {
    do { try madeUp.pipeline.write(to: URL(filePath: to)) } catch {
      throw SetupError("\(to): the files could not be written")
    }
  }
}

struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Serve the CRM (the default).")
  @OptionGroup var madeUp: MadeUp
  @Option(help: ArgumentHelp("Folder of the export (CSV). Without it the pipeline is made up.", valueName: "dir"))
  var data: String?
  @Option(help: ArgumentHelp("Serve Stripe's fixtures too, below /v1.", valueName: "file"))
  var stripe: String?
  @Option(help: "Business days per second at most; 0 for no limit.")
  var speed = 0
  @Option(help: ArgumentHelp("JSON list of faults.", valueName: "file"))
  var faults: String?
  @Option(help: ArgumentHelp("JSON list of edits by day.", valueName: "file"))
  var edits: String?
  @Option(help: ArgumentHelp("Where to listen; port 0 takes a free one.", valueName: "host:port"))
  var listen = "127.0.0.1:0"
  @Option(help: ArgumentHelp("Where to write the credentials (JSON, mode 0600).", valueName: "file"))
  var credentials: String?
  @Option(help: "Records on a page at most.")
  var pageSize = 200
  @Option(help: "Request budget, with bursts of twice as many; 0 for no limit.")
  var requestsPerSecond = 0
  @Option(help: "Share of webhooks that are never sent.")
  var webhookLoss = 0.1
  @Option(help: "Share of webhooks that are sent twice.")
  var webhookDouble = 0.05
  @Option(help: "Share of webhooks that are sent 1 to 3 business days late.")
  var webhookLate = 0.1
  @Flag(help: "End when standard input does: with whoever started it.")
  var untilInputEnds = false

  func validate() throws {
    _ = try address
    guard (0...1_000_000).contains(speed) else { throw ValidationError("--speed must be in 0…1000000") }
    guard (1...10_000).contains(pageSize) else { throw ValidationError("--page-size must be in 1…10000") }
    guard (0...1_000_000).contains(requestsPerSecond) else {
      throw ValidationError("--requests-per-second must be in 0…1000000")
    }
    let shares = [webhookLoss, webhookDouble, webhookLate]
    guard shares.allSatisfy({ (0...1).contains($0) }), shares.reduce(0, +) <= 1 else {
      throw ValidationError(
        "--webhook-loss, --webhook-double and --webhook-late must each be in 0…1, together at most 1")
    }
  }

  private var address: (host: String, port: Int) {
    get throws {
      guard let colon = listen.lastIndex(of: ":"), let port = UInt16(listen[listen.index(after: colon)...]) else {
        throw ValidationError("--listen must be HOST:PORT, such as 127.0.0.1:0")
      }
      let host = listen[..<colon].trimmingCharacters(in: ["[", "]"])
      guard !host.isEmpty else { throw ValidationError("--listen must be HOST:PORT, such as 127.0.0.1:0") }
      return (host, Int(port))
    }
  }

  private var options: SimulatedCRM.Options {
    var options = SimulatedCRM.Options()
    options.seed = madeUp.seed
    options.daysPerSecond = speed
    options.pageSize = pageSize
    options.requestsPerSecond = requestsPerSecond
    options.webhooks = .init(lost: webhookLoss, doubled: webhookDouble, late: webhookLate)
    return options
  }

  func run() async throws {
    let pipeline = try data.map { try Pipeline(folder: URL(filePath: $0)) } ?? madeUp.pipeline
    guard let first = pipeline.firstDay, let last = pipeline.lastDay else {
      throw SetupError("the pipeline has no engage date")
    }
    let edits = try edits.map { try read($0) { try Edit.byDay(json: $0, within: first...last) } } ?? [:]
    let faults = try faults.map { try read($0, Fault.list(json:)) } ?? []
    let crm = await SimulatedCRM(
      pipeline: pipeline, edits: edits, faults: faults, options: options, clockwork: .system,
      transport: URLSessionTransport())
    let stripe = try stripe.map { path in
      try read(path) { fixtures in
        try SimulatedStripe(
          fixtures: fixtures, credentials: crm.credentials, clockwork: .system, transport: URLSessionTransport())
      }
    }
    if let credentials { try crm.credentials.write(to: credentials) }
    if untilInputEnds {
      Thread.detachNewThread {
        while !FileHandle.standardInput.availableData.isEmpty {}
        Foundation.exit(0)
      }
    }
    try await serve(crm, stripe)
  }

  private func read<Content>(_ path: String, _ parse: (JSONValue) throws -> Content) throws -> Content {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw SetupError("\(path): no such file, or it cannot be read")
    }
    guard let json = JSONValue(parsing: Array(bytes)) else { throw SetupError("\(path): not JSON") }
    do { return try parse(json) } catch let error as SetupError { throw SetupError("\(path): \(error)") }
  }

  /// A stop waits for requests under way, but not for one that a fault holds for minutes: nothing here is durable.
  private func boundTheStop(seconds: Int = 3) -> [any DispatchSourceSignal] {
    [SIGTERM, SIGINT].map { number in
      let source = DispatchSource.makeSignalSource(signal: number)
      source.setEventHandler {
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(seconds)) { Foundation.exit(0) }
      }
      source.resume()
      return source
    }
  }

  private func serve(_ crm: SimulatedCRM, _ stripe: SimulatedStripe?) async throws {
    let signals = boundTheStop()
    defer { withExtendedLifetime(signals) {} }
    let (host, port) = try address
    let server = HTTPServer(crm: crm, stripe: stripe, clockwork: .system, host: host, port: port)
    try await server.run { port in
      let line: JSONValue = [
        "listening": .string(host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"),
        "first_day": .day(crm.firstDay),
        "last_day": .day(crm.lastDay), "business_days": .integer(crm.businessDays),
        "managers": .array(crm.managers.map { .string($0) }),
      ]
      FileHandle.standardOutput.write(Data(line.bytes + [UInt8(ascii: "\n")]))
    }
  }
}

extension Clockwork {
  /// The machine's own clocks.
  package static var system: Clockwork {
    let start = ContinuousClock.now
    return Clockwork(
      wall: { Int(Date().timeIntervalSince1970) },
      steady: { (ContinuousClock.now - start) / .seconds(1) },
      pause: { try? await Task.sleep(for: $0) })
  }
}
