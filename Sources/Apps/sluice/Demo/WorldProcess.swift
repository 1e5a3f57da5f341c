import CanonicalJSON
import Domain
import Foundation
import FoundationNetworking

/// The simulated SaaS as a process of its own, and its control door.
final class WorldProcess: Sendable {
  struct Credentials: Decodable {
    let token: String
    let controlToken: String
    let webhookSecret: String
    enum CodingKeys: String, CodingKey {
      case token
      case controlToken = "control_token"
      case webhookSecret = "webhook_secret"
    }
  }
  struct Announcement: Decodable {
    let listening: String
    let firstDay: BusinessDay
    let lastDay: BusinessDay
    let businessDays: Int
    /// Of its reps, each once.
    let managers: [String]
    enum CodingKeys: String, CodingKey {
      case listening, managers
      case firstDay = "first_day"
      case lastDay = "last_day"
      case businessDays = "business_days"
    }
  }

  let credentials: Credentials
  let announcement: Announcement
  private let processID: Int32
  /// Closed with this process, however that ends; the world ends with it.
  private let lifeline = Pipe()
  private let session = URLSession(configuration: .ephemeral)

  /// Starts the program and waits until it listens.
  init(arguments: [String], folder: String) throws {
    let program = (Installation.executable as NSString).deletingLastPathComponent + "/sluice-world"
    guard FileManager.default.isExecutableFile(atPath: program) else { throw DemoError.noWorld(path: program) }
    let credentialsFile = folder + "/world.json"
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments + ["--listen", "127.0.0.1:0", "--credentials", credentialsFile, "--until-input-ends"]
    process.standardInput = lifeline
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    processID = process.processIdentifier
    var line: [UInt8] = []
    while line.last != 0x0A {
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else { throw DemoError.worldEnded }
      line += more
    }
    announcement = try JSONValue(parsing: line.dropLast()).decode()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: credentialsFile))
    credentials = try JSONValue(parsing: [UInt8](bytes)).decode()
  }

  var address: String { "http://\(announcement.listening)" }

  func stop() { kill(processID, SIGTERM) }

  /// Tells the world that a day has been processed.
  /// - Returns: The new day, or nil when that was the last.
  func closeDay(_ day: BusinessDay) async throws -> BusinessDay? {
    let answer = try await control("POST", "/control/barrier", ["day": .string(day.description)])
    if answer["finished"]?.bool == true { return nil }
    guard let next = answer["day"]?.string.flatMap({ BusinessDay($0) }) else {
      throw DemoError.worldAnswered("\(answer)")
    }
    return next
  }

  func sendWebhooks(to url: String) async throws {
    _ = try await control("POST", "/control/webhooks", ["url": .string(url)])
  }

  /// Every effect that the world has recorded.
  /// - Returns: Every effect; and the closings of the data that did not take place, since we had closed the deal.
  func effects() async throws -> (all: [JSONValue], superseded: [JSONValue]) {
    var all: [JSONValue] = []
    while true {
      let answer = try await control("GET", "/control/effects?after=\(all.count)", nil)
      let items = answer["items"]?.array ?? []
      if items.isEmpty { return (all, answer["superseded"]?.array ?? []) }
      all += items
    }
  }

  /// The newest version of each record of a stream.
  func versions(of stream: String) async throws -> [String: Int] {
    let answer = try await control("GET", "/control/versions?stream=\(stream)", nil)
    return (answer.object ?? [:]).compactMapValues { $0.integer.map(Int.init) }
  }

  private func control(_ method: String, _ path: String, _ body: JSONValue?) async throws -> JSONValue {
    var request = URLRequest(url: URL(string: address + path)!)
    request.httpMethod = method
    request.timeoutInterval = 60
    request.setValue("Bearer \(credentials.controlToken)", forHTTPHeaderField: "Authorization")
    request.setValue("application/json", forHTTPHeaderField: "Content-Type")
    request.httpBody = body.map { Data($0.canonicalBytes) }
    let (data, response) = try await session.data(for: request)
    let status = (response as? HTTPURLResponse)?.statusCode ?? 0
    guard (200..<300).contains(status) else {
      throw DemoError.worldAnswered("\(method) \(path): \(status) \(String(decoding: data.prefix(300), as: UTF8.self))")
    }
    return try JSONValue(parsing: [UInt8](data))
  }
}

enum DemoError: OperatorError {
  case noWorld(path: String)
  case worldEnded
  case worldAnswered(String)
  case noConfiguration(folder: String)
  case apiAnswered(String)
  case unsound(String)
  case stopped(day: BusinessDay)

  var code: String {
    switch self {
    case .noWorld: "demo.no_world"
    case .worldEnded: "demo.world_ended"
    case .worldAnswered: "demo.world_answered"
    case .noConfiguration: "demo.no_configuration"
    case .apiAnswered: "demo.api_answered"
    case .unsound: "demo.unsound"
    case .stopped: "demo.stopped"
    }
  }
  var message: String {
    switch self {
    case .noWorld(let path): "The simulated SaaS is not at \(path)."
    case .worldEnded: "The simulated SaaS ended before it listened."
    case .worldAnswered(let text): "The simulated SaaS answered: \(text)."
    case .apiAnswered(let code): "The host's API refused: \(code)."
    case .unsound(let what): "The run does not add up: \(what)."
    case .stopped(let day): "The demo was stopped on \(day), before its last day."
    case .noConfiguration(let folder): "There are no policies and playbooks in \(folder)."
    }
  }
  var remedy: String {
    switch self {
    case .noWorld: "Build it: `make build` or `make debug`."
    case .worldEnded: "Its reason stands above; check --data."
    case .worldAnswered, .apiAnswered, .unsound: "Report it with the seed and the options of this run."
    case .stopped: "Start it again; what it did is gone with its folder unless it was started with --keep."
    case .noConfiguration: "Run it in the project's folder, or name one with --configuration."
    }
  }
}
