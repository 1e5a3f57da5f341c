// TicketsPlugin: a help desk as an executor. Comes in: permitted calls. Goes out: one write each, and what became of it. It
// decides nothing and keeps nothing.

import SluiceKit

/// Opens and closes issues at a help desk: permitted calls, each sent once.
///
/// What an executor owes its host is the truth about its one write: done, refused, to be tried later, or unknown. When in
/// doubt it is unknown: the host then asks `probe`, and in the end a person.
struct Tickets: Executor {
  static let descriptor = Descriptor(id: "tickets", name: "Tickets", version: "1.0.0")

  /// As the manifest names them.
  enum Action: String, ManifestName { case open, close }

  init(_ configuration: NoConfiguration) {}

  func check(_ host: any Host) throws {
    _ = try host.fetch(read("/v1/issues", query: [("limit", "1")])).success(of: "tickets").json()
  }

  /// Sends the write once. The host adds the permit's key, and the version that the issue must have.
  func execute(_ call: Call<Action>, host: any Host) throws -> Outcome {
    guard let request = write(call) else {
      return .rejected(code: "tickets.bad_arguments", message: "An argument is missing or unusable.")
    }
    do {
      return try outcome(host.send(request))
    } catch let error as HostError {
      // Lost on its way there or back. Any other failure says that nothing was sent, and which class it is.
      guard error.reason == .transient || error.reason == .tooLarge else { throw error }
      return .unknown(code: "tickets.no_answer", message: "The desk did not answer; it may have been done.")
    }
  }

  /// Asks what became of an earlier write, by its key. Reads only.
  func probe(_ call: Call<Action>, host: any Host) throws -> ProbeAnswer {
    let answer = try host.send(read("/v1/keys/\(HTTPRequest.segment(call.key))"))
    if answer.status == 404 { return .absent }
    let known = try answer.success(of: "tickets").body
    guard let done = result((try? JSON(parsing: known))?["issue"]) else {
      return .cannotTell(message: "The desk does not say what became of it.")
    }
    return .done(done)
  }

  /// Says what `execute` would do: what an approver is shown before the answer.
  func dryRun(_ call: Call<Action>, host: any Host) throws -> DryRunAnswer {
    guard let request = write(call) else {
      return .rejected(code: "tickets.bad_arguments", message: "An argument is missing or unusable.")
    }
    if call.action == .open { return .would(["create": "issue"]) }
    let answer = try host.send(read(request.path))
    if answer.status == 404 { return .rejected(code: "tickets.not_found", message: "The desk has no such issue.") }
    let found = try answer.success(of: "tickets").body
    guard let issue = try? JSON(parsing: found), let state = issue["state"], let version = issue["version"]?.integer
    else { throw Failure.transient("tickets.odd_answer", "The desk's answer is no issue.") }
    if let wanted = call.input["expect_version"]?.integer, wanted != version {
      return .rejected(code: "tickets.version_mismatch", message: "The issue has changed since.")
    }
    return .would(["fields": [["field": "state", "before": state, "after": "closed"]]])
  }

  /// The one write of a call. The host has checked its arguments by the manifest's schema; nil when they cannot be used all
  /// the same. The body must be the argument as it came: the host lets nothing else out.
  private func write(_ call: Call<Action>) -> HTTPRequest? {
    let method: String
    var path = "/v1/issues"
    let body: JSON?
    switch call.action {
    case .open: (method, body) = ("POST", call.input["issue"])
    case .close:
      guard let id = call.input["id"]?.string else { return nil }
      (method, path, body) = ("PATCH", "/v1/issues/\(HTTPRequest.segment(id))", call.input["set"])
    }
    guard let body else { return nil }
    return HTTPRequest(
      method, path, endpoint: "tickets", slot: "api", headers: [HTTPHeader("Content-Type", "application/json")],
      body: body.bytes)
  }

  private func read(_ path: String, query: [(name: String, value: String)] = []) -> HTTPRequest {
    HTTPRequest("GET", path, query: query, endpoint: "tickets", slot: "api")
  }

  /// What the desk's answer to a write means.
  private func outcome(_ answer: HTTPResponse) throws -> Outcome {
    let words = "The desk answered with status \(answer.status)."
    switch answer.status {
    case 401: throw answer.failure(of: "tickets") ?? .auth("tickets.unauthorized", words)
    case 429: return .retryAfter(ms: answer.retryAfterMs, message: "The desk asked to slow down (429).")
    case 412: return .rejected(code: "tickets.version_mismatch", message: "The issue has changed since.")
    case 400...407, 409...424, 426...499: return .rejected(code: "tickets.refused", message: words)
    default:
      if 200...299 ~= answer.status, let done = result(try? JSON(parsing: answer.body)) { return .done(done) }
      // A yes that cannot be read, a redirect, a time-out, a fault: nobody knows how far the write came.
      return .unknown(code: "tickets.unclear", message: words)
    }
  }

  /// What was done: the issue and its version. Until a source has read it again, the next call is checked against that
  /// version. nil when the desk's answer does not say so.
  private func result(_ issue: JSON?) -> JSON? {
    guard let id = issue?["id"], id.string != nil, let version = issue?["version"], version.integer != nil else {
      return nil
    }
    return ["id": id, "version": version]
  }
}

@c(sluice_plugin_entry)
public func entry() -> UnsafeRawPointer { Library.entry(executors: [Tickets.self]) }
