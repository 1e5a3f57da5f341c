import SluiceKit

/// The one write that an action sends.
enum Write: Equatable {
  /// PATCH of a deal.
  case change(opportunity: String, set: JSON, expectedVersion: Int64?)
  /// POST of something new about a record.
  case make(collection: String, body: JSON, stream: String, id: String)

  enum Reading: Equatable {
    case possible(Write)
    case refused(code: String, message: String)
  }

  /// Reads a permitted call. Its arguments are valid by the manifest's schema; what a path cannot carry is refused.
  static func of(_ action: Action) -> Reading {
    let write: Write?
    switch action.name {
    case "close_lost", "reopen", "reassign", "fix_product": write = change(action.input)
    case "create_task": write = make("tasks", action.input["task"])
    case "create_note": write = make("notes", action.input["note"])
    case "draft_brief": write = make("drafts", action.input["draft"])
    default:
      return .refused(code: "crm.unknown_action", message: "The CRM executor has no action \"\(action.name)\".")
    }
    guard let write else {
      return .refused(code: "crm.bad_arguments", message: "An argument of \(action.name) is missing or unusable.")
    }
    return .possible(write)
  }

  private static func change(_ input: JSON) -> Write? {
    guard let id = input["opportunity"]?.string, isSegment(id), let set = input["set"], set.members?.isEmpty == false
    else { return nil }
    if let version = input["expect_version"], version.integer == nil { return nil }
    return .change(opportunity: id, set: set, expectedVersion: input["expect_version"]?.integer)
  }

  private static func make(_ collection: String, _ body: JSON?) -> Write? {
    guard let body, let stream = body["about"]?["stream"]?.string, isSegment(stream),
      let id = body["about"]?["id"]?.string, isSegment(id)
    else { return nil }
    return .make(collection: collection, body: body, stream: stream, id: id)
  }

  /// Whether the host lets it pass as one segment of a path: it takes nothing that is percent-encoded.
  static func isSegment(_ text: String) -> Bool {
    !text.isEmpty && text != "." && text != ".."
      && text.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "-._~:@!$'()*+,=".utf8.contains(byte)
        }
      }
  }

  var method: String {
    switch self {
    case .change: "PATCH"
    case .make: "POST"
    }
  }

  var path: String {
    switch self {
    case .change(let id, _, _): "/api/v1/opportunities/\(id)"
    case .make(let collection, _, _, _): "/api/v1/\(collection)"
    }
  }

  /// The record that it is about.
  var subject: (stream: String, id: String) {
    switch self {
    case .change(let id, _, _): ("opportunities", id)
    case .make(_, _, let stream, let id): (stream, id)
    }
  }

  /// The host adds `Idempotency-Key` and `If-Match`, from the permit.
  var request: HTTPRequest {
    let body: JSON =
      switch self {
      case .change(_, let set, _): set
      case .make(_, let made, _, _): made
      }
    return HTTPRequest(
      method, path, endpoint: "crm", slot: "api", headers: [HTTPHeader("Content-Type", "application/json")],
      body: body.bytes)
  }
}
