import Domain

/// Requests that wait for their turn, and what holds everything up.
extension Console {
  static func oldestWaitMs(_ live: JSONValue?) -> Int64 { live?["throttle"]?["oldest_wait_ms"]?.integer ?? 0 }

  func underWay(_ throttle: JSONValue?) -> HTML {
    guard let now = throttle?["in_flight"]?.integer, let limit = throttle?["limit"]?.integer else {
      return data(Words.missing)
    }
    return "\(data(Words.number(now))) of \(data(Words.number(limit)))"
  }

  func inLine(_ throttle: JSONValue?) -> HTML {
    guard let queued = throttle?["queued"]?.integer else { return data(Words.missing) }
    guard queued > 0 else { return "Nobody." }
    let age = throttle?["oldest_wait_ms"]?.integer.map { ", the first for \(Words.duration(ms: $0))" } ?? ""
    let why = throttle?["held"]?.string.map { ": \(Self.reason(of: $0))" } ?? ""
    return data("\(Words.number(queued))\(age)\(why)")
  }

  /// One sentence that names who waits most, and why; since the host's start, but for what waits now.
  func bottleneck(_ flowing: [JSONValue]) -> HTML {
    if let stuck = flowing.first(where: { $0["state"]?.string?.hasPrefix("parked") == true }) {
      return """
        \(data(stuck["instance"]?.string ?? Words.missing)) is parked until somebody resumes it, or stores a new secret where \
        its credential was refused.
        """
    }
    if let first = flowing.max(by: { Self.oldestWaitMs($0) < Self.oldestWaitMs($1) }), Self.oldestWaitMs(first) >= 1_000
    {
      let why = first["throttle"]?["held"]?.string.map { Self.reason(of: $0) } ?? "its turn has not come"
      return """
        The bottleneck is the request budget of \(data(first["instance"]?.string ?? Words.missing)): a request has waited \
        for \(Words.duration(ms: Self.oldestWaitMs(first))), since \(data(why)).
        """
    }
    let waits = flowing.flatMap { live in
      (live["waits"]?.object ?? [:]).compactMap { cause, ms in
        ms.integer.map { (name: live["instance"]?.string ?? Words.missing, cause: cause, ms: $0) }
      }
    }
    guard let most = waits.max(by: { ($0.ms, $1.name, $1.cause) < ($1.ms, $0.name, $0.cause) }), most.ms >= 1_000 else {
      return "Nothing waits."
    }
    return "Longest since the host began: \(Self.sentence(of: most.cause, most.name))"
  }

  private static func reason(of held: String) -> String {
    switch held {
    case "retry_after": "the upstream asked for a pause (Retry-After)"
    case "hint": "the upstream says that little is left of its budget"
    case "rate": "requests reach the rate that the manifest allows to all who share the credential"
    case "places": "as many requests are under way as may be"
    default: Words.spaced(held)
    }
  }
}
