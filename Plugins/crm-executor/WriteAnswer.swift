import SluiceKit

/// What the CRM answered to a write, or says it once answered.
struct WriteAnswer {
  let status: Int
  let body: JSON?
  let retryAfterMs: Int64?

  init(status: Int, body: JSON?, retryAfterMs: Int64? = nil) {
    self.status = status
    self.body = body
    self.retryAfterMs = retryAfterMs
  }

  init(_ response: HTTPResponse) {
    self.init(status: response.status, body: try? JSON(parsing: response.body), retryAfterMs: response.retryAfterMs)
  }

  /// What to report of a write that was applied; nil when the body does not say what was written.
  var result: JSON? {
    guard let id = body?["id"], id.string != nil else { return nil }
    return ["id": id, "version": body?["version"] ?? .null, "status": .integer(Int64(status))]
  }

  var outcome: Outcome {
    get throws {
      switch status {
      case 200...299:
        if let result { return .done(result) }
        return unknown("said yes (\(status)) in words that cannot be read")
      case 401:
        throw Failure.auth("crm.unauthorized", "The CRM refused the credential (401); set a new one.")
      case 429: return .retryAfter(ms: retryAfterMs, message: "The CRM asked to slow down (429).")
      // Too early, timed out, failed or sent elsewhere: nobody knows how far it came.
      case 300...399, 408, 425, 500...599: return unknown("answered with status \(status)")
      default: return .rejected(code: code, message: message)
      }
    }
  }

  private func unknown(_ what: String) -> Outcome {
    .unknown(code: "crm.unclear_answer", message: "The CRM \(what); the write may have been applied.")
  }

  private var code: String {
    switch status {
    case 400: "crm.bad_request"
    case 404: "crm.not_found"
    case 409: "crm.conflict"
    case 412: "crm.version_mismatch"
    case 422: "crm.invalid"
    default: "crm.refused"
    }
  }

  /// The CRM's own words, when it has any.
  private var message: String {
    guard let words = body?["error"]?["message"]?.string else { return "The CRM refused the write (\(status))." }
    return "The CRM refused the write (\(status)): \(words.prefix(500))."
  }
}

extension Write {
  /// Reads `GET /api/v1/idempotency/{key}`.
  func probed(_ response: HTTPResponse) -> ProbeAnswer {
    if response.status == 404 { return .absent }
    guard response.status == 200, let known = try? JSON(parsing: response.body), let applied = known["applied"]?.bool
    else { return .cannotTell(message: "The CRM answered with status \(response.status), or in words unknown.") }
    guard known["method"]?.string == method, known["path"]?.string == path else {
      return .cannotTell(message: "The CRM knows the key from another request.")
    }
    guard applied else { return .absent }
    let answer = WriteAnswer(status: Int(known["status"]?.integer ?? 0), body: known["body"])
    guard let result = answer.result else { return .cannotTell(message: "The CRM does not say what was written.") }
    return .done(result)
  }

  /// What it would do to the record as it stands.
  func preview(_ record: JSON) -> DryRunAnswer {
    let (stream, id) = subject
    if record["deleted"]?.bool == true {
      return .rejected(code: "crm.deleted", message: "\(stream)/\(id) has been deleted.")
    }
    switch self {
    case .change(_, let set, let expectedVersion):
      if let expectedVersion, record["version"]?.integer != expectedVersion {
        let version = record["version"].map { String(decoding: $0.bytes, as: UTF8.self) } ?? "another one"
        return .rejected(code: "crm.version_mismatch", message: "\(stream)/\(id) is at version \(version).")
      }
      let changes = (set.members ?? []).map { member -> JSON in
        ["field": .string(member.name), "before": record[member.name] ?? .null, "after": member.value]
      }
      return .would([
        "change": ["stream": .string(stream), "id": .string(id)], "version": record["version"] ?? .null,
        "fields": .array(changes),
      ])
    case .make(let collection, let body, _, _):
      return .would(["create": .string(collection), "body": body])
    }
  }
}
