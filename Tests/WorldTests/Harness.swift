import Foundation
import Synchronization
import World

/// A clock that moves only when somebody pauses, or by hand.
final class ManualClock: Sendable {
  /// The wall clock at the start, in seconds since 1970.
  static let epoch = 1_700_000_000
  private let seconds = Mutex(0.0)

  func advance(by duration: Double) { seconds.withLock { $0 += duration } }
  var now: Double { seconds.withLock { $0 } }

  var clockwork: Clockwork {
    Clockwork(
      wall: { Self.epoch + Int(self.now) }, steady: { self.now },
      pause: { self.advance(by: $0 / .seconds(1)) })
  }
}

/// Receives webhooks and answers each as the test says.
actor Mailbox: WebhookTransport {
  struct Letter: Sendable {
    let headers: [String: String]
    let body: [UInt8]
    let data: JSONValue
  }

  private(set) var letters: [Letter] = []
  private var statuses: [Int?]
  private var busy = 0
  private(set) var busyMax = 0

  /// - Parameter statuses: what the first requests are answered (`nil`: nobody answers); then always 204.
  init(statuses: [Int?] = []) { self.statuses = statuses }

  func post(_ body: [UInt8], headers: [String: String], to url: String) async throws -> Int {
    busy += 1
    busyMax = max(busyMax, busy)
    await Task.yield()
    busy -= 1
    letters.append(Letter(headers: headers, body: body, data: JSONValue(parsing: body)?["data"] ?? .null))
    guard let status = statuses.isEmpty ? 204 : statuses.removeFirst() else { throw URLError(.cannotConnectToHost) }
    return status
  }

  var ids: [String] { letters.compactMap { $0.headers["webhook-id"] } }
}

/// A CRM without a socket, and the two tokens that open it.
struct Harness {
  let crm: SimulatedCRM
  let clock: ManualClock
  let mailbox: Mailbox

  init(
    _ pipeline: Pipeline, edits: [BusinessDay: [Edit]] = [:], faults: JSONValue = [],
    webhooks: WebhookPlan.Shares = .none, mailbox: Mailbox = Mailbox(),
    options change: (inout SimulatedCRM.Options) -> Void = { _ in }
  ) async throws {
    clock = ManualClock()
    self.mailbox = mailbox
    var options = SimulatedCRM.Options()
    options.webhooks = webhooks
    change(&options)
    crm = await SimulatedCRM(
      pipeline: pipeline, edits: edits, faults: try Fault.list(json: faults), options: options,
      clockwork: clock.clockwork, transport: mailbox)
  }

  func get(_ path: String, query: [String: String] = [:], headers: [String: String] = [:]) async -> Answer {
    await call("GET", path, query: query, headers: headers)
  }

  func write(
    _ method: String, _ path: String, _ body: JSONValue, key: String?, headers: [String: String] = [:]
  ) async -> Answer {
    var headers = headers
    if let key { headers["idempotency-key"] = key }
    return await call(method, path, headers: headers, body: body)
  }

  func call(
    _ method: String, _ path: String, query: [String: String] = [:], headers: [String: String] = [:],
    body: JSONValue? = nil
  ) async -> Answer {
    let authorization = ["authorization": "Bearer \(crm.credentials.token)"]
    return await crm.answer(
      Call(
        method, path, query: query, headers: authorization.merging(headers) { _, new in new }, body: body?.bytes ?? []))
  }

  func control(_ method: String, _ path: String, query: [String: String] = [:], body: JSONValue? = nil) async -> Answer
  {
    let headers = ["authorization": "Bearer \(crm.credentials.controlToken)"]
    return await crm.answer(Call(method, path, query: query, headers: headers, body: body?.bytes ?? []))
  }

  var status: JSONValue {
    get async { await control("GET", "/control/status").json ?? .null }
  }

  /// The current day is done; opens the next.
  @discardableResult
  func nextDay() async -> JSONValue {
    let today = await status["day"]?.string ?? ""
    return await control("POST", "/control/barrier", body: ["day": .string(today)]).json ?? .null
  }

  /// Reads a stream from a position to its end, as a client does.
  func read(_ stream: String, from cursor: JSONValue?, limit: Int? = nil) async -> [JSONValue] {
    var items: [JSONValue] = []
    var cursor = cursor
    repeat {
      var query: [String: String] = [:]
      query["limit"] = limit.map(String.init)
      query["updated_since"] = cursor?["updated_at"]?.string
      query["after_id"] = cursor?["id"]?.string
      let page = await get("/api/v1/\(stream)", query: query).json ?? .null
      items += page["items"]?.array ?? []
      cursor = page["next"]
    } while cursor != nil && cursor != JSONValue.null
    return items
  }
}

/// A pipeline small enough to know by heart: three days, three deals.
enum Small {
  static let firstDay = BusinessDay(iso: "2024-03-01")!

  static let pipeline = Pipeline(
    accounts: [Pipeline.Account(name: "Acme & Sons", sector: "retail"), Pipeline.Account(name: "Betatech")],
    products: [Pipeline.Product(name: "Weir Pro", series: "Weir", salesPrice: 100)],
    reps: [
      Pipeline.Rep(name: "Ada Bolt", manager: "Cem Carr", regionalOffice: "East"),
      Pipeline.Rep(name: "Gus Holm", manager: "Cem Carr", regionalOffice: "East"),
    ],
    opportunities: [
      Pipeline.Opportunity(
        id: "A1", owner: "Ada Bolt", product: "WeirPro", account: "Betatech", stage: .won, engaged: firstDay,
        closed: firstDay.later(by: 2), closeValue: 95),
      Pipeline.Opportunity(
        id: "B2", owner: "Ada Bolt", product: "Weir Pro", account: nil, stage: .engaging,
        engaged: firstDay.later(by: 1), closed: nil),
      Pipeline.Opportunity(
        id: "C3", owner: "Gus Holm", product: "Weir Pro", account: nil, stage: .prospecting, engaged: nil, closed: nil),
    ])
}

/// The folder of test data that is shared between projects.
enum Shared {
  static let folder: URL = {
    if let path = ProcessInfo.processInfo.environment["SLUICE_SHARED"] { return URL(filePath: path) }
    var package = URL(filePath: #filePath)
    for _ in 0..<3 { package.deleteLastPathComponent() }
    return package.deletingLastPathComponent().appending(path: "shared")
  }()
  static let pipeline = folder.appending(path: "data/crm-pipeline")
  static let oracle = folder.appending(path: "tools/pipeline_oracle.py")
  static func holds(_ file: URL) -> Bool { FileManager.default.fileExists(atPath: file.path) }
}

/// A folder that is gone when the work is done.
func withTemporaryFolder<Result>(_ work: (URL) async throws -> Result) async throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appending(path: "world-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try await work(folder)
}
