/// One way to misbehave, for the requests it matches.
package struct Fault: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    // In place of the work: nothing is read or written.
    case status(Int, retryAfter: Int?)
    case redirect(url: String)
    case cutBeforeApply
    // After the work: a write has taken effect and is remembered under its key.
    case cutAfterApply
    case garbage
    case truncated
    case huge(bytes: Int)
    case endless
    case slow(milliseconds: Int)
    case echoAuthorization

    var replacesTheWork: Bool {
      switch self {
      case .status, .redirect, .cutBeforeApply: true
      case .cutAfterApply, .garbage, .truncated, .huge, .endless, .slow, .echoAuthorization: false
      }
    }
  }

  package let method: String
  package let pathPrefix: String
  package let name: String
  package let kind: Kind
  /// How many matching requests pass before the first misbehaviour.
  package let after: Int
  /// How often it misbehaves; 0 means for ever.
  package let times: Int
  package private(set) var seen = 0
  package private(set) var fired = 0

  /// Whether this request is one to misbehave on. Counts it.
  mutating func strikes(_ call: Call) -> Bool {
    guard method == "*" || method == call.method, call.path.hasPrefix(pathPrefix) else { return false }
    seen += 1
    guard seen > after, times == 0 || fired < times else { return false }
    fired += 1
    return true
  }

  package var json: JSONValue {
    [
      "match": .string("\(method) \(pathPrefix)"), "kind": .string(name), "after": .integer(after),
      "times": .integer(times), "seen": .integer(seen), "fired": .integer(fired),
    ]
  }
}

extension Fault {
  /// Reads the faults file: a list of `{"match":"GET /api/v1/opportunities","kind":…,"times":1,"after":0,…}`.
  package static func list(json: JSONValue) throws -> [Fault] {
    guard let list = json.array else { throw SetupError("a JSON list of faults is expected") }
    return try list.enumerated().map { index, item in
      do { return try Fault(json: item) } catch let error as SetupError {
        throw SetupError("item \(index + 1): \(error)")
      }
    }
  }

  package init(json: JSONValue) throws {
    let known: Set = ["match", "kind", "times", "after", "status", "retry_after", "url", "bytes", "slow_ms"]
    if let odd = json.object?.keys.sorted().first(where: { !known.contains($0) }) {
      throw SetupError("'\(odd)' is no part of a fault")
    }
    let match = json["match"]?.string?.split(separator: " ").map(String.init) ?? []
    guard match.count == 2, match[1].hasPrefix("/") else {
      throw SetupError("'match' must be a method (or *) and a path prefix, such as \"GET /api/v1/opportunities\"")
    }
    method = match[0]
    pathPrefix = match[1]
    func whole(_ name: String, default fallback: Int? = nil, in allowed: ClosedRange<Int>) throws -> Int {
      guard let number = json[name] == nil ? fallback : json[name]?.integer, allowed.contains(number) else {
        throw SetupError("'\(name)' must be a whole number in \(allowed.lowerBound)…\(allowed.upperBound)")
      }
      return number
    }
    times = try whole("times", default: 1, in: 0...1_000_000_000)
    after = try whole("after", default: 0, in: 0...1_000_000_000)
    name = json["kind"]?.string ?? ""
    switch name {
    case "status":
      let retryAfter = json["retry_after"] == nil ? nil : try whole("retry_after", in: 0...86_400)
      kind = .status(try whole("status", in: 200...599), retryAfter: retryAfter)
    case "redirect":
      guard let url = json["url"]?.string, !url.isEmpty else { throw SetupError("'url' must say where to redirect") }
      kind = .redirect(url: url)
    case "garbage": kind = .garbage
    case "truncated": kind = .truncated
    case "huge": kind = .huge(bytes: try whole("bytes", default: 100_000_000, in: 1...10_000_000_000))
    case "endless": kind = .endless
    case "slow_ms": kind = .slow(milliseconds: try whole("slow_ms", in: 0...600_000))
    case "cut_before_apply": kind = .cutBeforeApply
    case "cut_after_apply": kind = .cutAfterApply
    case "echo_authorization": kind = .echoAuthorization
    default:
      throw SetupError(
        "'kind' must be one of status, garbage, truncated, huge, endless, slow_ms, cut_before_apply, "
          + "cut_after_apply, echo_authorization, redirect")
    }
  }
}

extension Fault.Kind {
  /// What the client gets in place of the work.
  var replacement: Answer? {
    switch self {
    case .status(let status, let retryAfter):
      var answer = Answer.error(status, "fault", "this failure was ordered")
      if let retryAfter { answer.headers["Retry-After"] = String(retryAfter) }
      return answer
    case .redirect(let url): return Answer(302, nil, headers: ["Location": url])
    case .cutBeforeApply:
      var answer = Answer(500)
      answer.delivery = .cut
      return answer
    case .cutAfterApply, .garbage, .truncated, .huge, .endless, .slow, .echoAuthorization: return nil
    }
  }

  /// What becomes of the answer to work that was done.
  func spoil(_ answer: inout Answer, to call: Call) {
    switch self {
    case .cutAfterApply: answer.delivery = .cut
    case .garbage:
      answer.status = 200
      answer.body = Array("{\"items\":[{\"id\":\u{0}nonsense,,\"\\ud800".utf8) + [0xff, 0xfe, 0x00]
    case .truncated: answer.delivery = .truncated
    case .huge(let bytes): answer.delivery = .flood(bytes: bytes)
    case .slow(let milliseconds): answer.delay = .milliseconds(milliseconds)
    case .echoAuthorization:
      let secret = call.headers["authorization"] ?? ""
      answer.headers["X-Echo-Authorization"] = secret
      var fields = answer.json?.object ?? [:]
      fields["echo"] = ["authorization": .string(secret)]
      answer.body = JSONValue.object(fields).bytes
    case .endless, .status, .redirect, .cutBeforeApply: break
    }
  }
}
