// The token endpoint, under /oauth, and what the test harness may do to it.
extension SimulatedCRM {
  func oauth(_ call: Call) async -> Answer {
    guard call.method == "POST", call.parts == ["oauth", "token"] else {
      return .error(404, "not_found", "this CRM has no '\(call.path)'")
    }
    let fault = strike(call)
    if fault != nil { counts.faulted += 1 }
    if let answer = fault?.replacement { return answer }
    var answer = tokens.answer(call, now: clockwork.steady())
    fault?.spoil(&answer, to: call)
    return answer
  }

  /// Whether the call bears the client's own token or one of the token endpoint's.
  func isClient(_ call: Call) -> Bool {
    let shown = call.headers["authorization"] ?? ""
    let token = shown.hasPrefix("Bearer ") ? String(shown.dropFirst(7)) : ""
    return isAuthorized(call, by: credentials.token) || tokens.isGood(token, now: clockwork.steady())
  }

  /// Sets how tokens are from now on, or ends them.
  func steerTokens(_ call: Call) -> Answer {
    let known: Set = ["expires_in", "rotate", "expire", "revoke", "authorize"]
    guard let wish = JSONValue(parsing: call.body), let members = wish.object, known.isSuperset(of: members.keys) else {
      return .error(400, "bad_request", "the body must be an object with \(known.sorted().joined(separator: ", "))")
    }
    if let seconds = wish["expires_in"]?.integer { tokens.lifeSeconds = seconds }
    if let rotates = wish["rotate"]?.bool { tokens.rotates = rotates }
    if wish["expire"]?.bool == true { tokens.expire() }
    if wish["revoke"]?.bool == true { tokens.revoke() }
    var answer = tokenCounts.object ?? [:]
    if wish["authorize"]?.bool == true { answer["refresh_token"] = .string(tokens.authorize()) }
    return Answer(200, .object(answer))
  }

  var tokenCounts: JSONValue {
    [
      "given": .integer(tokens.counts.given), "refused": .integer(tokens.counts.refused),
      "reused": .integer(tokens.counts.reused),
    ]
  }
}
