import Action
import CanonicalJSON
import Cryptography
import Domain
import Policy
import WholeLoop

/// Where the execution of one tenant's actions stands, between two of its waits.
enum SimulatedRunner {
  case idle
  /// A permit is spent and durable; it goes on when that is applied.
  case started(EffectStart, Position)
  /// The executor has answered, and that is not durable.
  case answered(Receipt)
  /// Waits until this is applied.
  case applying(Position)
}

/// As `ActionRunner`, one wait at a time.
extension SimulatedHost {
  func recover() throws {
    if around.fault == .forgetsWhatWasUnderWay { return }
    if around.fault == .resendsAfterCrash {
      for start in try view({ try ActionStage.inFlight(in: $0) }) { try report(try send(start)) }
    }
    for receipt in try view({ try ActionTurn.recovery(in: $0) }) {
      trace.note("recovered", receipt.permit.hex.prefix(8).description)
      try report(receipt)
      try settle()
    }
  }

  /// - Returns: When there is more to do by itself: now is nil and `isBusy`, later is a time.
  @discardableResult
  func act() throws -> (isBusy: Bool, untilMs: Int64?) {
    switch runner {
    case .idle: return try turn()
    case .started(let start, let position):
      guard applied >= position else { return (false, nil) }
      let mayExecute = try view { try ActionStage.mayExecute(start, at: position, in: $0) }
      guard mayExecute || around.fault == .sendsRefusedStarts else {
        trace.note("refused start", start.call.tool)
        runner = .idle
        return (true, nil)
      }
      runner = .answered(try send(start))
    case .answered(let receipt): try report(receipt)
    case .applying(let position):
      guard applied >= position else { return (false, nil) }
      runner = .idle
    }
    return (true, nil)
  }

  private func turn() throws -> (isBusy: Bool, untilMs: Int64?) {
    let turn = try view {
      try ActionTurn.next(in: $0, policy: assembly.policy, tenant: SimulatedJournal.tenant, nowMs: around.nowMs)
    }
    switch turn {
    case .probe(let start): runner = .answered(try probe(start))
    case .withdraw(let action, let refusal):
      trace.note("withdrew", refusal.code)
      let order = ActionTurn.withdrawal(of: action, for: refusal)
      runner = .applying(try disk.append([try around.entry(.order, order)])[0])
    case .start(let start):
      trace.note("started", "\(start.call.tool) \(start.subject) attempt \(start.attempt)")
      if around.fault == .sendsBeforeDurable { runner = .answered(try send(start)) }
      if !around.isSettling, chance.percent(6) { try around.interfere() }
      let entry = try around.entry(.effectStarted, start, id: start.entryID(of: SimulatedJournal.tenant, secret: []))
      let position = try disk.append([entry])[0]
      if around.fault != .sendsBeforeDurable { runner = .started(start, position) }
    case .rest(let untilMs): return (false, untilMs)
    }
    return (true, nil)
  }

  private func report(_ receipt: Receipt) throws {
    trace.note("receipt \(receipt.outcome.rawValue)", receipt.permit.hex.prefix(8).description)
    runner = .applying(try disk.append([try around.entry(.receipt, receipt)])[0])
  }

  private func isEnabled(_ start: EffectStart) throws -> Bool {
    try view { try ToolFacts.activated(start.call.tool, $0) } != nil
  }

  private func send(_ start: EffectStart) throws -> Receipt {
    guard try isEnabled(start) else { return Receipt(start, .notStarted, reason: "No executor.") }
    try disk.reach(.effectBeforeSend, weight: 12)
    let ending = execute(start)
    if !ending.sentWrites.isEmpty { around.sends.append((start, disk.journal.head)) }
    try disk.reach(.effectAfterSend, weight: 5)
    // The host takes a write that was answered 401 for the credential's refusal.
    let isRefused = ending.sentWrites.last?.status == 401
    return ending.receipt(for: start, credentialRefusal: isRefused ? "It was answered 401." : nil)
  }

  /// What an executor and the way to it may do.
  private func execute(_ start: EffectStart) -> ExecutorEnding {
    /// - Parameter seen: The status that the egress saw; nil when no answer came.
    func ended(
      _ answer: ExecutorEnding.Answer, _ result: JSONValue = .null, code: String? = nil, seen: Int?,
      isSent: Bool = true
    ) -> ExecutorEnding {
      ExecutorEnding(
        answer: answer, result: result, reason: "It is simulated.", code: code,
        sentWrites: isSent ? [SentWrite(digest: SHA256.digest(start.permit.hex), status: seen)] : [])
    }
    let crm = around.crm
    let (key, call) = (start.idempotencyKey, start.call)
    let fate = around.isSettling ? "answered" : chance.weighted(Self.fates)
    trace.note("sent", fate)
    switch fate {
    case "worker died before": return ended(.none, seen: nil, isSent: false)
    case "lost before": return ended(.number(4), seen: nil)
    case "told to wait": return ended(.number(3), seen: 429)
    case "unauthorized": return ended(.none, seen: 401)
    case "refused": return ended(.number(2), seen: 422)
    case "said done, not sent": return ended(.number(1), ["id": "made-up", "version": 9], seen: nil, isSent: false)
    case "late":
      crm.land(atMs: around.nowMs + Int64(chance.within(1...25_000)), key, call)
      // A liar may call this a refusal: the egress has no answer for it.
      return ended(chance.percent(50) ? .number(4) : .number(2), seen: nil)
    default: break
    }
    let isOutdated = crm.isOutdated(key, call)
    guard let answer = crm.write(key, call) else {
      if isOutdated { trace.count("refused for its version") }
      let code = isOutdated ? "crm.version_mismatch" : "crm.refused"
      return ended(fate == "said done, was refused" ? .number(1) : .number(2), code: code, seen: 412)
    }
    switch fate {
    case "answer lost": return ended(.number(4), seen: nil)
    case "denied": return ended(.number(3), seen: 200)
    case "said refused, was done": return ended(.number(2), seen: 200)
    case "worker died after": return ended(.none, seen: 200)
    default: return ended(.number(1), answer, seen: 200)
    }
  }

  private static let fates: [(weight: Int, String)] = [
    (56, "answered"), (10, "answer lost"), (5, "worker died after"), (5, "lost before"), (6, "late"),
    (5, "told to wait"), (3, "denied"), (4, "worker died before"), (3, "unauthorized"), (6, "refused"),
    (4, "said done, not sent"), (4, "said refused, was done"), (3, "said done, was refused"),
  ]

  private func probe(_ start: EffectStart) throws -> Receipt {
    if around.fault == .retriesWithoutProbe { return Receipt(start, .notStarted, reason: "It is not asked after.") }
    guard try isEnabled(start) else { return Receipt(start, .unknown, reason: "No executor.") }
    let fate = around.isSettling ? "truth" : chance.weighted([(70, "truth"), (20, "cannot tell"), (10, "unreachable")])
    let answer = around.crm.answer(to: start.idempotencyKey)
    trace.note("probed", "\(fate): \(answer == nil ? "absent" : "done")")
    let ending: (ExecutorEnding.Answer, JSONValue) =
      switch fate {
      case "cannot tell": (.number(3), .null)
      case "unreachable": (.none, .null)
      default: answer.map { (.number(1), $0) } ?? (.number(2), .null)
      }
    return ExecutorEnding(answer: ending.0, result: ending.1, reason: "It is simulated.", sentWrites: [])
      .probed(start, askedAtMs: around.nowMs)
  }
}
