import Domain
import HTTPEdge
import Identity
import Synchronization

/// A host that answers from a table and keeps what it was asked.
final class FakeBackend: EdgeBackend {
  static let session = "5e551011"
  static let code = "c0de"
  static let token = "slu_70ce11"

  struct Call: Sendable {
    let command: String
    let arguments: JSONValue
    let user: UserID
    let door: Choice.Door
  }
  struct Refusal: OperatorError, Equatable {
    let code: String
    var message = "It was refused."
    var remedy = "Ask again."
  }
  private struct Live {
    var answers: [String: JSONValue]
    var refusals: [String: Refusal] = [:]
    var codes: Set<String> = [FakeBackend.code]
    var sessions: Set<String> = [FakeBackend.session]
    var calls: [Call] = []
  }
  private let live: Mutex<Live>
  let visitor: User
  let hookAnswer: HookAnswer
  let inTheWay: [String]

  init(
    _ answers: [String: JSONValue] = Samples.answers, roles: [User.Role] = [.approver], tenants: [String] = ["demo"],
    hook: HookAnswer = .accepted, obstacles: [String] = []
  ) {
    live = Mutex(Live(answers: answers))
    visitor = User(id: UserID(rawValue: "ann")!, tenants: tenants.map { TenantID(rawValue: $0)! }, roles: roles)
    hookAnswer = hook
    inTheWay = obstacles
  }

  var calls: [Call] { live.withLock { $0.calls } }
  var edge: Edge { Edge(backend: self, names: EdgeNames(more: [Browser.host])) }
  var edgeBehindTLS: Edge { Edge(backend: self, isBehindTLS: true, names: EdgeNames(more: [Browser.host])) }
  func refuse(_ command: String, code: String) { live.withLock { $0.refusals[command] = Refusal(code: code) } }
  func set(_ command: String, to answer: JSONValue) { live.withLock { $0.answers[command] = answer } }

  func knows(hook: String) -> Bool { hook != "unknown" }
  func receive(hook: String, _ request: EdgeRequest) async -> HookAnswer { hookAnswer }
  func metricsText() async -> String { "sluice_up 1\n" }
  func obstacles() async -> [String] { inTheWay }
  func onlyReads(_ command: String) -> Bool { command.hasSuffix(".list") || command == "top" }
  func call(_ command: String, arguments: JSONValue, user: User, door: Choice.Door) async throws -> JSONValue {
    try live.withLock { live in
      live.calls.append(Call(command: command, arguments: arguments, user: user.id, door: door))
      if let refusal = live.refusals[command] { throw refusal }
      guard let answer = live.answers[command] else { throw Refusal(code: "command.unknown") }
      return answer
    }
  }
  func user(token: String) async throws -> User? { token == Self.token ? visitor : nil }
  func user(session: String) async throws -> User? {
    live.withLock { $0.sessions.contains(session) } ? visitor : nil
  }
  func redeem(code: String) async -> String? { live.withLock { $0.codes.remove(code) } == nil ? nil : Self.session }
  func end(session: String) async { _ = live.withLock { $0.sessions.remove(session) } }
}

/// What a browser would send.
enum Browser {
  static let host = "127.0.0.1:7070"

  static func get(_ path: String, query: [String: String] = [:], session: String? = FakeBackend.session)
    -> EdgeRequest
  {
    var headers = ["host": host]
    headers["cookie"] = session.map { "theme=dark; sluice_session=\($0)" }
    return EdgeRequest("GET", path, query: query, headers: headers)
  }

  static func post(_ path: String, _ fields: [String: String], changing headers: [String: String?] = [:])
    -> EdgeRequest
  {
    var all: [String: String?] = [
      "host": host, "cookie": "sluice_session=\(FakeBackend.session)", "origin": "http://\(host)",
      "sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded",
    ]
    all.merge(headers) { $1 }
    let body = fields.map { "\(escaped($0.key))=\(escaped($0.value))" }.joined(separator: "&")
    return EdgeRequest("POST", path, headers: all.compactMapValues { $0 }, body: Array(body.utf8))
  }

  static func judging(_ answer: String, changing: [String: String?] = [:]) -> [String: String] {
    var fields: [String: String?] = [
      "form_token": Directory.formToken(session: FakeBackend.session), "id": Samples.id,
      "call_hash": Samples.callHash, "answer": answer, "note": "",
    ]
    fields.merge(changing) { $1 }
    return fields.compactMapValues { $0 }
  }

  private static func escaped(_ text: String) -> String {
    text.utf8.map { "%\($0 < 16 ? "0" : "")\(String($0, radix: 16))" }.joined()
  }
}

extension EdgeResponse {
  var text: String { String(decoding: body, as: UTF8.self) }
  func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}
