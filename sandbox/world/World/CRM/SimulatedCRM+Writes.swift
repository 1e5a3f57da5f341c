// Writes. Each needs an Idempotency-Key, and happens at most once under it.
extension SimulatedCRM {
  private struct Written {
    let answer: Answer
    let subject: JSONValue
    var change: WorldState.Change?
  }

  private static let textBytesMax = 20_000

  /// - Parameter name: the collection: opportunities, accounts, notes, tasks or drafts.
  func write(_ call: Call, to name: String) async -> Answer {
    guard let key = call.headers["idempotency-key"], (1...255).contains(key.utf8.count) else {
      return .error(400, "idempotency_key_missing", "a write needs an Idempotency-Key of 1 to 255 bytes")
    }
    let digest = Digest.hex(Digest.sha256(call.body))
    switch log.recall(key: key, call: call, bodySHA256: digest) {
    case .replay(let answer): return answer
    case .otherRequest:
      return .error(422, "idempotency_key_reused", "this Idempotency-Key belongs to another request")
    case .new: break
    }
    guard let body = JSONValue(parsing: call.body), let fields = body.object else {
      return .error(400, "bad_request", "the body must be a JSON object")
    }
    var answer: Answer
    var subject: JSONValue?
    var change: WorldState.Change?
    do throws(ChangeRefusal) {
      let written = try apply(call, to: name, fields: fields)
      (answer, subject, change) = (written.answer, written.subject, written.change)
    } catch {
      answer = .error(error.status, error.code, error.description)
    }
    log.remember(
      key: key, call: call, body: body, bodySHA256: digest, day: world.day, answer: answer, subject: subject)
    if let change { await announce([change]) }
    return answer
  }

  private func apply(
    _ call: Call, to name: String, fields: [String: JSONValue]
  ) throws(ChangeRefusal) -> Written {
    if let stream = RecordStream(rawValue: name) { return try patch(stream, call, fields) }
    switch name {
    case "notes": return try make("note", fields, needing: ["text"])
    case "tasks": return try make("task", fields, needing: ["assignee", "text"])
    case "drafts": return try make("draft", fields, needing: ["kind", "text"])
    default: preconditionFailure("no route writes to \(name)")
    }
  }

  private func patch(
    _ stream: RecordStream, _ call: Call, _ fields: [String: JSONValue]
  ) throws(ChangeRefusal) -> Written {
    let change = try world.patch(
      stream, id: call.parts[3], with: fields, expectedVersion: try Self.expectedVersion(call))
    let record = change.record
    return Written(
      answer: Answer(200, record.json, headers: ["ETag": "\"\(record.version)\""]),
      subject: [
        "stream": .string(stream.rawValue), "id": .string(record.id), "version": .integer(record.version),
      ], change: change)
  }

  private static func expectedVersion(_ call: Call) throws(ChangeRefusal) -> Int? {
    guard let text = call.headers["if-match"], text != "*" else { return nil }
    let bare = text.hasPrefix("W/") ? text.dropFirst(2) : text[...]
    guard let version = Int(bare.replacing("\"", with: "")) else {
      throw .invalid("'If-Match' must be a version, such as \"2\"")
    }
    return version
  }

  /// Makes a note, a task or a draft about a record.
  private func make(
    _ kind: String, _ fields: [String: JSONValue], needing texts: [String]
  ) throws(ChangeRefusal) -> Written {
    guard let about = fields["about"], let stream = about["stream"]?.string.flatMap(RecordStream.init),
      let id = about["id"]?.string
    else { throw .invalid("'about' must be {\"stream\":…,\"id\":…}") }
    guard let record = world.record(stream, id), !record.isDeleted else {
      throw .invalid("'about': \(stream.rawValue) have no '\(id)'")
    }
    for name in texts {
      guard let text = fields[name]?.string, (1...Self.textBytesMax).contains(text.utf8.count) else {
        throw .invalid("'\(name)' must be a text of 1 to \(Self.textBytesMax) bytes")
      }
    }
    madeByKind[kind, default: 0] += 1
    let made = "\(kind)-\(madeByKind[kind, default: 0])"
    var json = fields
    json["id"] = .string(made)
    json["created_at"] = .day(world.day)
    return Written(
      answer: Answer(201, .object(json)),
      subject: ["stream": .string(kind + "s"), "id": .string(made), "version": 1])
  }
}
