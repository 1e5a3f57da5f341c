// The CRM's own API, under /api/v1.
extension SimulatedCRM {
  func api(_ call: Call) async -> Answer {
    counts.requests += 1
    guard isClient(call) else {
      counts.unauthorized += 1
      var answer = Answer.error(401, "unauthorized", "a valid bearer token is needed")
      answer.headers["WWW-Authenticate"] = "Bearer"
      return answer
    }
    let verdict = budget.spend(now: clockwork.steady())
    var answer: Answer
    if verdict.granted {
      answer = await faulty(call)
    } else {
      counts.throttled += 1
      answer = .error(429, "rate_limited", "the request budget is spent")
    }
    answer.headers.merge(verdict.headers) { _, budget in budget }
    return answer
  }

  private func faulty(_ call: Call) async -> Answer {
    guard let fault = strike(call) else { return await route(call) }
    counts.faulted += 1
    if let answer = fault.replacement { return answer }
    var answer = await route(call, endless: fault == .endless)
    fault.spoil(&answer, to: call)
    return answer
  }

  /// The first fault of the list that wants this request takes it.
  func strike(_ call: Call) -> Fault.Kind? {
    for index in faults.indices where faults[index].strikes(call) { return faults[index].kind }
    return nil
  }

  private func route(_ call: Call, endless: Bool = false) async -> Answer {
    let parts = Array(call.parts.dropFirst(2))
    guard call.parts.prefix(2) == ["api", "v1"], let name = parts.first, parts.count <= 2 else {
      return .error(404, "not_found", "this CRM has no '\(call.path)'")
    }
    switch (call.method, name, parts.count) {
    case ("GET", "idempotency", 2): return probe(key: parts[1])
    case ("POST", "notes", 1), ("POST", "tasks", 1), ("POST", "drafts", 1): return await write(call, to: name)
    case ("PATCH", "opportunities", 2), ("PATCH", "accounts", 2): return await write(call, to: name)
    case ("GET", _, _):
      guard let stream = RecordStream(rawValue: name) else {
        return .error(404, "not_found", "this CRM has no '\(call.path)'")
      }
      return parts.count == 1 ? list(stream, call, endless: endless) : one(stream, id: parts[1])
    default: return .error(405, "method_not_allowed", "\(call.method) cannot be done to '\(call.path)'")
    }
  }

  private func probe(key: String) -> Answer {
    guard let known = log.probe(key: key) else {
      return .error(404, "not_found", "no write was made under this idempotency key")
    }
    return Answer(200, known)
  }

  private func one(_ stream: RecordStream, id: String) -> Answer {
    guard let record = world.record(stream, id) else {
      return .error(404, "not_found", "\(stream.rawValue) has no record '\(id)'")
    }
    return Answer(200, record.json, headers: ["ETag": "\"\(record.version)\""])
  }

  private func list(_ stream: RecordStream, _ call: Call, endless: Bool) -> Answer {
    do {
      let limit = try Self.limit(call, pageSize: options.pageSize)
      let start = try Self.start(call)
      let page = world.page(stream, from: endless ? .beginning : start, limit: limit)
      let next = endless ? page.items.last?.position ?? Position(updatedAt: world.day, id: "") : page.next
      return Answer(
        200,
        [
          "items": .array(page.items.map(\.json)), "next": next?.json ?? .null, "as_of": .day(world.day),
        ])
    } catch {
      return .error(400, "bad_request", "\(error)")
    }
  }

  private static func limit(_ call: Call, pageSize: Int) throws(SetupError) -> Int {
    guard let text = call.query["limit"] else { return pageSize }
    guard let limit = Int(text), limit > 0 else { throw SetupError("'limit' must be a whole number above 0") }
    return min(limit, pageSize)
  }

  private static func start(_ call: Call) throws(SetupError) -> PageStart {
    guard let since = call.query["updated_since"] else {
      if call.query["after_id"] != nil { throw SetupError("'after_id' goes with 'updated_since'") }
      return .beginning
    }
    guard let day = BusinessDay(iso: since) else { throw SetupError("'updated_since' must be a date (YYYY-MM-DD)") }
    guard let id = call.query["after_id"] else { return .day(day) }
    return .after(Position(updatedAt: day, id: id))
  }
}
