// The test harness's side, under /control. It is neither throttled nor faulted.
extension SimulatedCRM {
  func control(_ call: Call) async -> Answer {
    guard isAuthorized(call, by: credentials.controlToken) else {
      return .error(401, "unauthorized", "a valid control token is needed")
    }
    switch (call.method, call.parts.dropFirst().joined(separator: "/")) {
    case ("GET", "status"): return Answer(200, await status())
    case ("GET", "effects"): return effects(call)
    case ("GET", "versions"): return versions(call)
    case ("POST", "barrier"): return await barrier(call)
    case ("POST", "webhooks"): return await register(call)
    case ("POST", "faults"): return replaceFaults(call)
    case ("POST", "edits"): return await edit(call)
    case ("POST", "tokens"): return steerTokens(call)
    default: return .error(404, "not_found", "the control side has no \(call.method) '\(call.path)'")
    }
  }

  private func barrier(_ call: Call) async -> Answer {
    guard let day = JSONValue(parsing: call.body)?["day"]?.string.flatMap({ BusinessDay(iso: $0) }) else {
      return .error(400, "bad_request", "the body must be {\"day\":\"YYYY-MM-DD\"}")
    }
    guard day == world.day, !closing else {
      var answer = Answer.error(409, "wrong_day", closing ? "the day is closing" : "the day is \(world.day.iso)")
      answer.body = JSONValue.object(["day": .day(world.day)].merging(answer.json?.object ?? [:]) { $1 }).bytes
      return answer
    }
    if !finished { await openNextDay() }
    return Answer(200, ["day": .day(world.day), "finished": .bool(finished)])
  }

  private func effects(_ call: Call) -> Answer {
    let text = call.query["after"] ?? "0"
    guard let after = Int(text), after >= 0 else {
      return .error(400, "bad_request", "'after' must be a sequence number")
    }
    let superseded = world.superseded.map { late -> JSONValue in
      [
        "day": .day(late.day), "id": .string(late.deal.id), "stage": .string(late.deal.stage.rawValue),
        "close_date": .text(late.deal.closed?.slashed), "close_value": late.deal.closeValue,
      ]
    }
    return Answer(
      200,
      [
        "items": .array(log.effects.dropFirst(after).map(told)), "last": .integer(log.effects.count),
        "superseded": .array(superseded),
      ])
  }

  /// An effect, and what becomes of the webhook of the version that it made; `pending` until a late one is sent.
  private func told(_ effect: EffectLog.Effect) -> JSONValue {
    guard effect.method == "PATCH", effect.subject["stream"]?.string == RecordStream.opportunities.rawValue,
      let id = effect.subject["id"]?.string, let version = effect.subject["version"]?.integer
    else { return effect.json }
    let webhookID = plan.webhookID(id: id, version: version)
    let fate =
      switch plan.fate(id: id, version: version) {
      case .onTime: "on_time"
      case .lost: "lost"
      case .doubled: "doubled"
      case .late: late.values.contains { $0.contains { $0.id == webhookID } } ? "pending" : "late"
      }
    return .object((effect.json.object ?? [:]).merging(["webhook": .string(fate)]) { $1 })
  }

  /// The newest version of each record of a stream.
  private func versions(_ call: Call) -> Answer {
    guard let stream = RecordStream(rawValue: call.query["stream"] ?? "") else {
      return .error(400, "bad_request", "'stream' must name a stream")
    }
    return Answer(200, .object(world.newestVersions(of: stream).mapValues { .integer($0) }))
  }

  private func register(_ call: Call) async -> Answer {
    guard let url = JSONValue(parsing: call.body)?["url"]?.string,
      url.hasPrefix("http://") || url.hasPrefix("https://")
    else { return .error(400, "bad_request", "the body must be {\"url\":\"http://…\"}") }
    await sender.register(url)
    return Answer(200, ["url": .string(url)])
  }

  private func replaceFaults(_ call: Call) -> Answer {
    guard let json = JSONValue(parsing: call.body) else {
      return .error(400, "bad_request", "the body must be a JSON list of faults")
    }
    do {
      faults = try Fault.list(json: json)
      return Answer(200, ["faults": .array(faults.map(\.json))])
    } catch {
      return .error(422, "invalid", "\(error)")
    }
  }

  /// One edit or a list of them, applied on the current day.
  private func edit(_ call: Call) async -> Answer {
    guard let json = JSONValue(parsing: call.body) else {
      return .error(400, "bad_request", "the body must be an edit or a JSON list of edits")
    }
    let edits: [Edit]
    do {
      edits = try (json.array ?? [json]).map(Edit.init(json:))
    } catch {
      return .error(422, "invalid", "\(error)")
    }
    let missedBefore = world.missedEdits.count
    let changes = edits.flatMap { world.apply($0) }
    await announce(changes)
    return Answer(
      200,
      [
        "applied": .integer(changes.count),
        "missed": .array(world.missedEdits.dropFirst(missedBefore).map(Self.json(of:))),
      ])
  }

  private static func json(of missed: WorldState.MissedEdit) -> JSONValue {
    ["day": .day(missed.day), "edit": missed.edit.json, "why": .string(missed.why)]
  }

  private func status() async -> JSONValue {
    let streams = RecordStream.allCases
    var hooks = await sender.outcomes
    hooks.due = webhooks.due
    hooks.lost = webhooks.lost
    hooks.doubled = webhooks.doubled
    hooks.late = webhooks.late
    hooks.latePending = webhooks.latePending
    return [
      "day": .day(world.day), "first_day": .day(world.firstDay), "last_day": .day(world.lastDay),
      "business_days": .integer(world.businessDays),
      "day_number": .integer(world.day.number - world.firstDay.number + 1), "finished": .bool(finished),
      "records": .object(counted(streams) { self.world.count(of: $0) }),
      "versions": .object(counted(streams) { self.world.versions(of: $0) }),
      "requests": [
        "total": .integer(counts.requests), "unauthorized": .integer(counts.unauthorized),
        "throttled": .integer(counts.throttled), "faulted": .integer(counts.faulted),
      ],
      "writes": [
        "applied": .integer(log.effects.count), "refused": .integer(log.refused),
        "replayed": .integer(log.replays), "superseded": .integer(world.superseded.count),
      ],
      "webhooks": hooks.json, "webhook_url": .text(await sender.target),
      "edits": [
        "applied": .integer(world.editsApplied), "missed": .array(world.missedEdits.map(Self.json(of:))),
      ],
      "faults": .array(faults.map(\.json)), "tokens": tokenCounts,
    ]
  }

  private func counted(_ streams: [RecordStream], _ count: (RecordStream) -> Int) -> [String: JSONValue] {
    Dictionary(uniqueKeysWithValues: streams.map { ($0.rawValue, .integer(count($0))) })
  }
}
