/// Every write that took effect, in order, and what each idempotency key was answered.
package struct EffectLog: Sendable {
  package struct Effect: Sendable, Equatable {
    package let sequence: Int
    package let day: BusinessDay
    package let key: String
    package let method: String
    package let path: String
    package let body: JSONValue
    package let bodySHA256: String
    package let status: Int
    /// The record that the write made or changed.
    package let subject: JSONValue
    package internal(set) var replays = 0

    package var json: JSONValue {
      [
        "sequence": .integer(sequence), "day": .day(day), "key": .string(key), "method": .string(method),
        "path": .string(path), "body": body, "body_sha256": .string(bodySHA256), "status": .integer(status),
        "subject": subject, "replays": .integer(replays),
      ]
    }
  }

  /// The first request under a key and its answer, whether the write was applied or refused.
  struct Answered: Sendable {
    let method: String
    let path: String
    let bodySHA256: String
    let day: BusinessDay
    let answer: Answer
    /// Index into `effects`; `nil` when the write was refused.
    let effect: Int?
    var replays = 0
  }

  package private(set) var effects: [Effect] = []
  private var answered: [String: Answered] = [:]
  package private(set) var replays = 0
  package private(set) var refused = 0

  enum Recall {
    case new
    case replay(Answer)
    case otherRequest
  }

  /// What is known under a key. Counts a replay.
  mutating func recall(key: String, call: Call, bodySHA256: String) -> Recall {
    guard var known = answered[key] else { return .new }
    guard known.method == call.method, known.path == call.path, known.bodySHA256 == bodySHA256 else {
      return .otherRequest
    }
    known.replays += 1
    replays += 1
    if let effect = known.effect { effects[effect].replays += 1 }
    answered[key] = known
    var answer = known.answer
    answer.headers["Idempotent-Replayed"] = "true"
    return .replay(answer)
  }

  /// - Parameter subject: what was made or changed; `nil` when the write was refused.
  mutating func remember(
    key: String, call: Call, body: JSONValue, bodySHA256: String, day: BusinessDay, answer: Answer,
    subject: JSONValue?
  ) {
    var index: Int?
    if let subject {
      index = effects.count
      effects.append(
        Effect(
          sequence: effects.count + 1, day: day, key: key, method: call.method, path: call.path, body: body,
          bodySHA256: bodySHA256, status: answer.status, subject: subject))
    } else {
      refused += 1
    }
    answered[key] = Answered(
      method: call.method, path: call.path, bodySHA256: bodySHA256, day: day, answer: answer, effect: index)
  }

  /// What `GET /api/v1/idempotency/{key}` tells.
  func probe(key: String) -> JSONValue? {
    answered[key].map { known in
      [
        "key": .string(key), "method": .string(known.method), "path": .string(known.path),
        "request_sha256": .string(known.bodySHA256), "day": .day(known.day), "status": .integer(known.answer.status),
        "applied": .bool(known.effect != nil), "body": known.answer.json ?? .null, "replays": .integer(known.replays),
      ]
    }
  }
}
