// HTTPEdge: the host's doors for others: webhooks, the API, the console, metrics. Comes in: HTTP. Goes out: calls of an
// `EdgeBackend`. No decisions are made here; a request is read, its sender established, and the answer written.

package import Domain
package import Identity

/// What the host does for those who come through these doors.
package protocol EdgeBackend: Sendable {
  /// A request to `/hooks/{hook}`: a delivery is answered only when it is durable, or refused.
  func receive(hook: String, _ request: EdgeRequest) async -> HookAnswer
  /// Whether there is such an address for webhooks; a request to any other is refused, whatever it holds.
  func knows(hook: String) -> Bool
  /// Prometheus' text format.
  func metricsText() async -> String
  /// Empty when the host can do its work, else what is in the way.
  func obstacles() async -> [String]
  /// Runs a command in the name of a user; refuses what their roles do not allow.
  func call(_ command: String, arguments: JSONValue, user: User, door: Choice.Door) async throws -> JSONValue
  /// Whether a command only reads: such a one may be asked by GET.
  func onlyReads(_ command: String) -> Bool

  func user(token: String) async throws -> User?
  func user(session: String) async throws -> User?
  /// - Returns: A session for a sign-in code, which is spent by this.
  func redeem(code: String) async -> String?
  func end(session: String) async
}

/// What a sender of webhooks is told. Every failed identification looks the same.
package enum HookAnswer: Sendable, Equatable {
  case accepted
  /// Unknown address, missing or wrong signature, or outside the time window.
  case notIdentified
  case tooLarge
  /// It asked whether this address is ours, and that is the answer.
  case answered(type: String, body: [UInt8])
  /// Nothing is taken in now: the sender should come back after so many seconds.
  case tryLater(seconds: Int = 5)
}

package struct EdgeRequest: Sendable {
  package var method: String
  package var path: String
  package var query: [String: String]
  /// What follows "?", as it came.
  package var queryText = ""
  /// The address from which the connection came; nil where there is none.
  package var peer: String?
  /// By lower-case name; the values of one that came more than once are joined by ", ".
  package var headers: [String: String]
  package var body: [UInt8]
  package init(
    _ method: String, _ path: String, query: [String: String] = [:], headers: [String: String] = [:], body: [UInt8] = []
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.body = body
  }
}

package struct EdgeResponse: Sendable {
  package var status: Int
  package var headers: [(name: String, value: String)]
  package var body: [UInt8]
  package init(_ status: Int, _ headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }
  package static func text(_ status: Int, _ text: String, type: String = "text/plain; charset=utf-8") -> EdgeResponse {
    EdgeResponse(status, [("Content-Type", type)], body: Array(text.utf8))
  }
}
