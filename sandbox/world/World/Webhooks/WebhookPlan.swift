/// What becomes of the webhook of one version of one record. The seed decides, not the order of events.
package struct WebhookPlan: Sendable {
  package enum Fate: Sendable, Equatable {
    case onTime
    case lost
    /// Sent twice under one webhook-id.
    case doubled
    /// Sent that many business days later, 1 to 3.
    case late(days: Int)
  }

  package struct Shares: Sendable, Equatable {
    package var lost = 0.1
    package var doubled = 0.05
    package var late = 0.1
    package init(lost: Double = 0.1, doubled: Double = 0.05, late: Double = 0.1) {
      self.lost = lost
      self.doubled = doubled
      self.late = late
    }
    package static let none = Shares(lost: 0, doubled: 0, late: 0)
  }

  package let seed: UInt64
  package let shares: Shares

  package init(seed: UInt64, shares: Shares) {
    self.seed = seed
    self.shares = shares
  }

  package func fate(of record: Record) -> Fate { fate(id: record.id, version: record.version) }

  func fate(id: String, version: Int) -> Fate {
    var chance = Chance(seed: seed, about: "webhook", id, String(version))
    let share = chance.share()
    if share < shares.lost { return .lost }
    if share < shares.lost + shares.doubled { return .doubled }
    if share < shares.lost + shares.doubled + shares.late { return .late(days: 1 + chance.index(below: 3)) }
    return .onTime
  }

  /// - Returns: `nil` for a change that the CRM announces to nobody.
  package func webhook(for change: WorldState.Change) -> Webhook? {
    let record = change.record
    guard change.stream == .opportunities, record.version > 1 || record.stage != .prospecting else { return nil }
    let type = record.isDeleted ? "opportunity.deleted" : "opportunity.changed"
    let body: JSONValue = ["type": .string(type), "data": record.json]
    return Webhook(id: webhookID(id: record.id, version: record.version), body: body.bytes)
  }

  func webhookID(id: String, version: Int) -> String {
    var chance = Chance(seed: seed, about: "webhook-id", id, String(version))
    return "msg_" + String(chance.next(), radix: 36) + String(chance.next(), radix: 36)
  }
}

/// A webhook to send: its id and bytes stay the same however often it is sent.
package struct Webhook: Sendable, Equatable {
  package let id: String
  package let body: [UInt8]

  package init(id: String, body: [UInt8]) {
    self.id = id
    self.body = body
  }

  /// The headers of Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks, signature scheme v1).
  ///
  /// - Parameter timestamp: of this attempt, in seconds since 1970.
  package func headers(timestamp: Int, key: [UInt8]) -> [String: String] {
    let signed = Array("\(id).\(timestamp).".utf8) + body
    return [
      "Content-Type": "application/json", "webhook-id": id, "webhook-timestamp": String(timestamp),
      "webhook-signature": "v1," + Digest.base64(Digest.hmac(key: key, signed)),
    ]
  }
}

/// What became of the webhooks so far.
package struct WebhookCounts: Sendable, Equatable {
  /// Changes that the CRM announces.
  package var due = 0
  package var lost = 0
  package var doubled = 0
  package var late = 0
  /// Late ones whose day has not come.
  package var latePending = 0
  /// Requests made, retries included.
  package var attempts = 0
  /// Answered 2xx.
  package var sent = 0
  /// Answered with anything but 2xx and 5xx; not retried.
  package var refused = 0
  /// Given up after the last retry, or at the day's deadline.
  package var failed = 0
  /// Nobody had registered a URL by the end of the day.
  package var unregistered = 0

  package var json: JSONValue {
    [
      "due": .integer(due), "lost": .integer(lost), "doubled": .integer(doubled), "late": .integer(late),
      "late_pending": .integer(latePending), "attempts": .integer(attempts), "sent": .integer(sent),
      "refused": .integer(refused), "failed": .integer(failed), "unregistered": .integer(unregistered),
    ]
  }
}
