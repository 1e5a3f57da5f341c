package import Domain

/// One write request that left, as the egress saw it.
package struct SentWrite: Sendable, Equatable {
  /// SHA-256 of method, path, query and body.
  package let digest: Digest
  /// The upstream's answer, 100 to 599; nil when none came.
  package var status: Int?

  package init(digest: Digest, status: Int?) {
    self.digest = digest
    self.status = status
  }

  var isDone: Bool { status.map { (200...299).contains($0) } ?? false }
  /// The upstream says that it did not apply it. Timed out, too early and too many (RFC 9110, 15.5.9; RFC 8470; RFC 6585)
  /// are answers about now, not about the request.
  var isRefused: Bool { status.map { (400...499).contains($0) && ![408, 425, 429].contains($0) } ?? false }
  /// The upstream did not apply it for want of a valid credential (RFC 9110, 15.5.2): no word on the request itself.
  var isUnauthorized: Bool { status == 401 }
}

/// How an operation of an executor ended, as the host saw it.
package struct ExecutorEnding: Sendable {
  /// What the executor says when the operation itself went well; its numbers are those of the plugin ABI.
  package enum Answer: Sendable { case number(Int), none }
  package let answer: Answer
  package let result: JSONValue
  package let reason: String
  /// The executor's own code for it; nil when it gave none.
  package let code: String?
  /// Each write that left, in order.
  package let sentWrites: [SentWrite]

  package init(answer: Answer, result: JSONValue, reason: String, code: String? = nil, sentWrites: [SentWrite]) {
    self.answer = answer
    self.result = result
    self.reason = reason
    self.code = code
    self.sentWrites = sentWrites
  }

  /// What an execution's end says of its effect. What the egress saw comes first: an executor's word counts where that
  /// allows it, and what they disagree about is unknown, so that it is asked after.
  /// - Parameter credentialRefusal: Why its credential could not be used, where that was it.
  package func receipt(for start: EffectStart, credentialRefusal: String? = nil) -> Receipt {
    // Whatever it makes of it, unless it says that it is done: nothing left, or each write that did was answered 401. So
    // nothing came about, and it was not the call that was refused.
    let isHeldUp = credentialRefusal != nil && sentWrites.allSatisfy(\.isUnauthorized)
    let (outcome, doubt): (Receipt.Outcome, String?) =
      switch answer {
      case .number(1):
        if sentWrites.isEmpty {
          (.unknown, "The executor says it is done, but sent nothing.")
        } else if sentWrites.allSatisfy(\.isDone) {
          (.done, nil)
        } else {
          (.unknown, "The executor says it is done, but not every write was accepted\(seen).")
        }
      case .number where isHeldUp, .none where isHeldUp: (.notStarted, nil)
      case .number(2):
        if sentWrites.allSatisfy(\.isRefused) {
          (.rejected, nil)
        } else {
          (.unknown, "The executor says it was refused, but not every write was\(seen).")
        }
      case .number(4): (.unknown, nil)
      case .number, .none: sentWrites.isEmpty ? (.notStarted, nil) : (.unknown, nil)
      }
    let isNone = isHeldUp && outcome == .notStarted
    return Receipt(
      start, outcome, result: result, requests: sentWrites.map(\.digest),
      reason: outcome == .done ? nil : isNone ? heldUpReason(credentialRefusal) : doubt ?? reason,
      code: isNone ? Receipt.credentialRefused : outcome == .rejected ? code : nil)
  }

  /// Of what left, the receipt says what the egress saw, not how the executor words it.
  private func heldUpReason(_ credentialRefusal: String?) -> String? {
    sentWrites.isEmpty
      ? credentialRefusal
      : "The upstream refused the credential: it answered 401 to each write that left, and applied none."
  }

  /// Such as " (201, no answer)".
  private var seen: String {
    " (" + sentWrites.map { $0.status.map(String.init) ?? "no answer" }.joined(separator: ", ") + ")"
  }

  /// What a probe's end says of the effect that it asked after.
  package func probed(_ start: EffectStart, askedAtMs: Int64) -> Receipt {
    let (outcome, reason): (Receipt.Outcome, String) =
      switch answer {
      case .number(1): (.done, "A probe found it done.")
      case .number(2): (.notStarted, "A probe found that it had no effect.")
      case .number: (.unknown, "A probe could not tell.")
      case .none: (.unknown, "The executor could not be asked what became of it.")
      }
    return Receipt(start, outcome, result: result, reason: reason, askedAtMs: askedAtMs)
  }
}
