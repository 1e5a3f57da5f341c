package import ConnectorFabric
import Cryptography
package import Domain
package import PluginHost
import UVLoop
import WholeLoop

/// One operation of one worker: hands what it emits to the intake, its requests to the gate, and counts its waits.
///
/// Confined to the loop's thread.
package final class OperationSession: OperationHandler {
  /// To the task that makes things durable: from the loop, and from the commit that has ended.
  package enum Event: Sendable {
    case batch(EmittedBatch)
    case checkpoint(stream: String, IntakeBatch.Checkpoint)
    case durableWanted(token: Int)
    case committed
    var isCommitted: Bool { if case .committed = self { true } else { false } }
  }

  let route: EgressGate.Route
  let gate: EgressGate
  private let mailbox: Mailbox<Event>?
  let log: HostLog
  private let pluginLog: PluginLog
  var rules: RequestRules
  private var window: CreditWindow
  private let room: IntakeRoom.Part
  var exchanges: [UInt32: GatedExchange] = [:]
  var durableReplies: [Int: (done: () -> Void, bytes: Int)] = [:]
  private var durableTokens = 0
  /// The tokens of requests that wait for what came before them, by handle.
  var heldRequests: [UInt32: Int] = [:]
  /// Of what costs no credit and waits for a commit: checkpoints, and requests that are held.
  var unpaidBytes = 0
  private var isHeldBack = false
  /// So much of it may wait before nothing more is read from the worker.
  private static let unpaidBytesMax = 1 << 20
  var isOver = false
  private var waitsForCredit: Metrics.Wait?
  private var turn = PluginTurn()
  private let pluginWait: Metrics.Wait
  private let emission: Metrics.Emission
  let metrics: Metrics
  weak var worker: Worker?
  /// Each write request that left, in order.
  var sentWrites: [SentWrite] = []
  /// Refusals of requests, for the operator.
  package internal(set) var refusals: [RequestRules.Refusal] = []
  /// Whether it ended while a request of its waited for its turn, or for an access token.
  var wasHeldBack = false
  /// What the upstream did last that kept a request from a proper answer.
  var upstreamTrouble: String?
  /// The last reason why a request had no usable credential.
  var credentialFault: String?

  package init(
    route: EgressGate.Route, operation: RequestRules.Operation, gate: EgressGate, mailbox: Mailbox<Event>?,
    metrics: Metrics, log: HostLog, pluginLog: PluginLog, room: IntakeRoom? = nil
  ) {
    let limits = route.manifest.limits
    // Twice the largest record: one on its way does not keep the next from being sent.
    self.room = (room ?? IntakeRoom(bytesMax: limits.windowBytes, metrics: metrics)).part(
      of: route.tenant, ownBytes: 2 * limits.recordBytesMax)
    self.pluginLog = pluginLog
    self.route = route
    self.gate = gate
    self.mailbox = mailbox
    self.metrics = metrics
    self.log = log
    pluginWait = metrics.idleWait(.pluginSlow, instance: route.key)
    emission = metrics.emission(instance: route.key)
    rules = RequestRules(manifest: route.manifest, operation: operation)
    window = CreditWindow(limit: .init(records: limits.windowRecords, bytes: limits.windowBytes))
  }

  func fills(_ mailbox: Mailbox<Event>) -> Bool { self.mailbox === mailbox }

  /// Gives the first credit, or what has become free.
  func grant() {
    guard !isOver else { return }
    let free = max(0, window.limit.bytes - window.usedBytes)
    let amount = window.refill(bytesMax: room.take(upTo: free, usedBytes: window.usedBytes))
    if amount != .zero { worker?.grant(records: amount.records, bytes: amount.bytes) }
    emission.may(window.granted)
    if hasCredit { endCreditWait() }
    turns { $0.begins(hasCredit: hasCredit, nowMs: $1) }
  }

  /// Whether a record of any size may be sent: with less, a plugin that is silent may be the one that waits.
  private var hasCredit: Bool {
    window.granted.records > 0 && window.granted.bytes >= route.manifest.limits.recordBytesMax
  }

  private func endCreditWait() {
    waitsForCredit?.end()
    waitsForCredit = nil
  }

  /// - Parameter change: Gets the time.
  private func turns(_ change: (inout PluginTurn, Int64) -> Void) {
    change(&turn, metrics.clock.monotonicMs())
    pluginWait.last(sinceMs: turn.waitsFromMs)
  }

  private func gives() { turns { $0.gives(hasCredit: hasCredit, nowMs: $1) } }

  func asks() { turns { turn, _ in turn.asks() } }

  func isAnswered() { turns { $0.isAnswered(hasCredit: hasCredit, nowMs: $1) } }

  /// A batch has been made durable.
  /// - Parameter checkpointBytes: Of the checkpoints' states that came with it.
  func complete(records: Int, bytes: Int, checkpointBytes: Int) {
    window.complete(.init(records: records, bytes: bytes))
    unpaidBytes -= checkpointBytes
    guard !isOver else { return drain() }
    room.holds(window.outstanding.bytes)
    grant()
    readOn()
  }

  func durable(token: Int) {
    guard let reply = durableReplies.removeValue(forKey: token) else { return }
    unpaidBytes -= reply.bytes
    reply.done()
    readOn()
  }

  /// Counts what comes without credit. A worker that sends on and on of it is not read meanwhile.
  func holds(_ bytes: Int) {
    unpaidBytes += bytes
    guard unpaidBytes > Self.unpaidBytesMax, !isHeldBack else { return }
    isHeldBack = true
    worker?.pauseReading()
  }

  private func readOn() {
    guard isHeldBack, unpaidBytes <= Self.unpaidBytesMax / 2 else { return }
    isHeldBack = false
    worker?.resumeReading()
  }

  /// Whether what it brought still waits to be made durable, and takes room, though it is over.
  var isDraining: Bool { isOver && mailbox != nil && window.outstanding != .zero }

  private func drain() {
    room.drains(window.outstanding.bytes)
    if !isDraining { room.end() }
  }

  /// Nobody will make durable what is left.
  func abandon() { room.end() }

  /// The operation is over, one way or another.
  package func end() {
    guard !isOver else { return }
    isOver = true
    emission.may(nil)
    if isHeldBack { worker?.resumeReading() }
    drain()
    pluginLog.sayWhatWasLeftOut()
    turns { turn, _ in turn.ends() }
    endCreditWait()
    wasHeldBack = wasHeldBack || exchanges.values.contains(where: \.isWaiting)
    if exchanges.values.contains(where: \.awaitsUpstream) { upstreamTrouble = "it has not answered" }
    for exchange in exchanges.values { exchange.cancel() }
    exchanges = [:]
    (durableReplies, heldRequests) = ([:], [:])
    mailbox?.close()
  }

  package func emitted(_ batch: EmittedBatch) {
    let amount = CreditWindow.Amount(records: batch.recordCount, bytes: batch.creditBytes)
    guard let mailbox, window.send(amount) else {
      worker?.stop()
      return
    }
    gives()
    emission.sent(amount, left: window.granted)
    room.holds(window.outstanding.bytes)
    if !hasCredit, waitsForCredit == nil {
      waitsForCredit = metrics.wait(room.isShort ? .intakeLimit : .noCredit, instance: route.key)
    }
    rules.emitted()
    mailbox.put(.batch(batch))
  }

  package func checkpointed(stream: String, state: [UInt8], stateVersion: Int, watermarkMs: Int64?) {
    gives()
    rules.checkpointed()
    guard let mailbox else { return }
    holds(state.count)
    mailbox.put(
      .checkpoint(
        stream: stream,
        IntakeBatch.Checkpoint(stateHex: Hex.encode(state), stateVersion: stateVersion, watermarkMs: watermarkMs)))
  }

  /// For who keeps what is emitted by itself: the rules of requests know of it all the same.
  package func seesRecords() { rules.emitted() }
  package func seesCheckpoint() { rules.checkpointed() }

  package func waitsUntilDurable(_ durable: @escaping () -> Void) {
    asks()
    onceDurable { [weak self] in
      self?.isAnswered()
      durable()
    }
  }

  private static let tokenBytes = 64

  /// Goes on when everything that was emitted until now is durable.
  /// - Parameter bytes: What waits with it.
  /// - Returns: Its token; nil when nothing has to be waited for.
  @discardableResult
  func onceDurable(_ bytes: Int = 0, _ durable: @escaping () -> Void) -> Int? {
    guard let mailbox else {
      durable()
      return nil
    }
    durableTokens += 1
    durableReplies[durableTokens] = (durable, bytes + Self.tokenBytes)
    holds(bytes + Self.tokenBytes)
    mailbox.put(.durableWanted(token: durableTokens))
    return durableTokens
  }

  package func mayLog() -> Bool { pluginLog.take(nowMs: SystemSources.monotonicMs()) }

  package func logged(level: Int, code: String, message: String, fields: [(name: String, value: String)]) {
    pluginLog.write(level: level, code, message, fields)
  }

  package func hintedRate(endpoint: String, limit: Int64?, remaining: Int64?, resetAtMs: Int64?) {
    gate.lowerRate(route, endpoint: endpoint, remaining: remaining, resetAtMs: resetAtMs)
  }
}
