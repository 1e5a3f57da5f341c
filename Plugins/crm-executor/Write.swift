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
  static func of(_ call: Call<CRMExecutor.Action>) -> Reading {
    do {
      let write: Write? =
        switch call.action {
        case .closeLost, .reopen, .reassign, .fixProduct: change(try call.arguments())
        case .createTask: try make("tasks", "task", call)
        case .createNote: try make("notes", "note", call)
        case .draftBrief: try make("drafts", "draft", call)
        }
      if let write { return .possible(write) }
    } catch {}
    return .refused(
      code: "crm.bad_arguments", message: "An argument of \(call.action.rawValue) is missing or unusable.")
  }

  /// Arguments of what changes a deal.
  private struct Change: Decodable {
    let opportunity: String
    let set: JSON
    let expectedVersion: Int64?
    enum CodingKeys: String, CodingKey {
      case opportunity, set
      case expectedVersion = "expect_version"
    }
  }

  private static func change(_ change: Change) -> Write? {
    guard isSegment(change.opportunity), change.set.members?.isEmpty == false else { return nil }
    return .change(opportunity: change.opportunity, set: change.set, expectedVersion: change.expectedVersion)
  }

  /// What every new thing says of itself.
  private struct Made: Decodable {
    struct About: Decodable { let stream, id: String }
    let about: About
  }

  /// - Parameter argument: The one that is the body.
  private static func make(
    _ collection: String, _ argument: String, _ call: Call<CRMExecutor.Action>
  ) throws -> Write? {
    guard let body = call.input[argument] else { return nil }
    let about = try body.decoded(as: Made.self).about
    guard isSegment(about.stream), isSegment(about.id) else { return nil }
    return .make(collection: collection, body: body, stream: about.stream, id: about.id)
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
