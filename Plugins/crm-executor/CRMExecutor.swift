// CRMExecutorPlugin: the CRM as an executor. Comes in: permitted actions. Goes out: one write each, and
// what became of it. It never decides what to do, and never tries a write again by itself.

import SluiceKit

/// Performs the actions of `manifests/crm-actions.yaml`.
struct CRMExecutor: Executor {
  static let descriptor = Descriptor(id: "crm-actions", name: "CRM actions", version: "1.0.0")

  /// As the manifest names them.
  enum Action: String, ManifestName {
    case closeLost = "close_lost"
    case reopen, reassign
    case fixProduct = "fix_product"
    case createTask = "create_task"
    case createNote = "create_note"
    case draftBrief = "draft_brief"
  }

  init(_ configuration: NoConfiguration) {}

  func check(_ host: any Host) throws {
    _ = try host.fetch(read("/api/v1/reps", query: [("limit", "1")])).success(of: "crm")
  }

  /// Sends the one write of the action, once: a second try is the host's to decide.
  func execute(_ call: Call<Action>, host: any Host) throws -> Outcome {
    let write: Write
    switch Write.of(call) {
    case .refused(let code, let message): return .rejected(code: code, message: message)
    case .possible(let found): write = found
    }
    do {
      return try WriteAnswer(host.send(write.request)).outcome
    } catch let error as HostError {
      switch error.reason {
      // The connection was lost, or the answer could not be read: the write may have been applied.
      case .transient, .tooLarge:
        return .unknown(code: "crm.no_answer", message: "The CRM did not answer; the write may have been applied.")
      default: throw error
      }
    }
  }

  func probe(_ call: Call<Action>, host: any Host) throws -> ProbeAnswer {
    guard case .possible(let write) = Write.of(call), Write.isSegment(call.key) else {
      return .cannotTell(message: "The action's key or arguments cannot be asked about.")
    }
    do {
      return write.probed(try host.fetch(read("/api/v1/idempotency/\(call.key)")))
    } catch {
      guard [.transient, .rateLimited, .tooLarge].contains(error.reason) else { throw error }
      return .cannotTell(message: "The CRM did not answer.")
    }
  }

  func dryRun(_ call: Call<Action>, host: any Host) throws -> DryRunAnswer {
    let write: Write
    switch Write.of(call) {
    case .refused(let code, let message): return .rejected(code: code, message: message)
    case .possible(let found): write = found
    }
    let (stream, id) = write.subject
    let response = try host.fetch(read("/api/v1/\(stream)/\(id)"))
    if response.status == 404 { return .rejected(code: "crm.not_found", message: "The CRM has no \(stream)/\(id).") }
    return write.preview(try response.success(of: "crm").json())
  }

  private func read(_ path: String, query: [(name: String, value: String)] = []) -> HTTPRequest {
    HTTPRequest("GET", path, query: query, endpoint: "crm", slot: "api")
  }
}
