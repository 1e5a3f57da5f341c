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

  private let route: EgressGate.Route
  private let gate: EgressGate
  private let mailbox: Mailbox<Event>?
  private let log: HostLog
  private let pluginLog: PluginLog
  private var rules: RequestRules
  private var window: CreditWindow
  private let room: IntakeRoom.Part
  private var exchanges: [UInt32: GatedExchange] = [:]
  private var durableReplies: [Int: (done: () -> Void, bytes: Int)] = [:]
  private var durableTokens = 0
  /// The tokens of requests that wait for what came before them, by handle.
  private var heldRequests: [UInt32: Int] = [:]
  /// Of what costs no credit and waits for a commit: checkpoints, and requests that are held.
  private var unpaidBytes = 0
  private var isHeldBack = false
  /// So much of it may wait before nothing more is read from the worker.
  private static let unpaidBytesMax = 1 << 20
  private var isOver = false
  private var waitsForCredit: (sinceMs: Int64, cause: WaitCause)?
  private var turn = PluginTurn()
  private let metrics: Metrics
  weak var worker: Worker?
  /// Each write request that left, in order.
  private(set) var sentWrites: [SentWrite] = []
  /// Refusals of requests, for the operator.
  package private(set) var refusals: [RequestRules.Refusal] = []
  /// Whether it ended while a request of its waited for its turn, or for an access token.
  private(set) var wasHeldBack = false
  /// What the upstream did last that kept a request from a proper answer.
  private(set) var upstreamTrouble: String?
  /// The last reason why a request had no usable credential.
  private(set) var credentialFault: String?

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
    metrics.credit(instance: route.key, records: window.granted.records)
    if let (since, cause) = waitsForCredit, hasCredit {
      metrics.wait(cause, instance: route.key, ms: Int(SystemSources.monotonicMs() - since))
      waitsForCredit = nil
    }
    turn.begins(hasCredit: hasCredit, nowMs: SystemSources.monotonicMs())
  }

  /// Whether a record of any size may be sent: with less, a plugin that is silent may be the one that waits.
  private var hasCredit: Bool {
    window.granted.records > 0 && window.granted.bytes >= route.manifest.limits.recordBytesMax
  }

  private func waited(_ ms: Int) { metrics.wait(.pluginSlow, instance: route.key, ms: ms) }

  private func gives() { waited(turn.gives(hasCredit: hasCredit, nowMs: SystemSources.monotonicMs())) }

  private func asks() { waited(turn.asks(nowMs: SystemSources.monotonicMs())) }

  private func isAnswered() { turn.isAnswered(hasCredit: hasCredit, nowMs: SystemSources.monotonicMs()) }

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
  private func holds(_ bytes: Int) {
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
    metrics.credit(instance: route.key, records: nil)
    if isHeldBack { worker?.resumeReading() }
    drain()
    pluginLog.sayWhatWasLeftOut()
    waited(turn.ends(nowMs: SystemSources.monotonicMs()))
    wasHeldBack = wasHeldBack || exchanges.values.contains(where: \.isWaiting)
    if exchanges.values.contains(where: \.awaitsUpstream) { upstreamTrouble = "it has not answered" }
    for exchange in exchanges.values { exchange.cancel() }
    exchanges = [:]
    (durableReplies, heldRequests) = ([:], [:])
    mailbox?.close()
  }

  package func emitted(_ batch: EmittedBatch) {
    guard let mailbox, window.send(.init(records: batch.recordCount, bytes: batch.creditBytes)) else {
      worker?.stop()
      return
    }
    gives()
    metrics.credit(instance: route.key, records: window.granted.records)
    room.holds(window.outstanding.bytes)
    if !hasCredit, waitsForCredit == nil {
      waitsForCredit = (SystemSources.monotonicMs(), room.isShort ? .intakeLimit : .noCredit)
    }
    metrics.records(instance: route.key, count: batch.recordCount, bytes: batch.creditBytes)
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
  private func onceDurable(_ bytes: Int = 0, _ durable: @escaping () -> Void) -> Int? {
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

  package func opened(_ request: HTTPOpen, reply: HTTPReply) {
    asks()
    let asked = PluginRequest(
      endpoint: request.endpoint, method: request.method, path: request.path, query: request.query, slot: request.slot,
      headers: request.headers.map { .init($0.name, $0.value) }, idempotencyKey: request.idempotencyKey,
      body: request.body)
    let admitted: RequestRules.Admitted
    do { admitted = try rules.admit(asked) } catch {
      refusals.append(error)
      metrics.refused(instance: route.key, code: error.code)
      log.warning(error.code, error.sentence, ["instance": "\(route.instance)", "tenant": "\(route.tenant)"])
      isAnswered()
      reply.fail(HTTPFailure(status: .denied, code: error.code, message: error.sentence))
      return
    }
    // Invariant 3: what an upstream is to forget must be durable here. The plugin waits meanwhile as for any answer.
    guard admitted.declared.effect == .ack else { return send(request, admitted, reply) }
    closed(handle: request.handle)
    heldRequests[request.handle] = onceDurable(request.bytes) { [weak self] in
      self?.heldRequests[request.handle] = nil
      self?.send(request, admitted, reply)
    }
  }

  private func send(_ request: HTTPOpen, _ admitted: RequestRules.Admitted, _ reply: HTTPReply) {
    guard !isOver else { return }
    var write: Int?
    // A worker that lies may use a handle twice: what it had, and the place that it holds among others', is given back.
    exchanges.removeValue(forKey: request.handle)?.cancel()
    exchanges[request.handle] = gate.send(request, admitted: admitted, route: route) { [weak self] in
      if admitted.declared.effect == .write { write = self?.keepWrite(request) }
    } answered: { [weak self] result in
      guard let self, !self.isOver else { return }
      isAnswered()
      keepTrouble(result)
      if let write { sentWrites[write].status = seen(result, of: request.handle) }
      switch result {
      case .success(let exchange):
        reply.answer(status: exchange.status, throttledMs: exchange.throttledMs, headers: exchange.headers)
      case .failure(let failure):
        if failure.status == .auth { keepFault(failure) }
        reply.fail(failure)
      }
    }
  }

  /// The status of what has left: the answer's, or the 401 after which it was not sent again, as its credential gives no
  /// other token.
  private func seen(_ result: Result<GatedExchange, HTTPFailure>, of handle: UInt32) -> Int? {
    switch result {
    case .success(let exchange): exchange.status
    case .failure(let failure): failure.status == .auth && exchanges[handle]?.isToBeSentAgain == true ? 401 : nil
    }
  }

  /// What it is that the upstream does, whatever the plugin makes of it: such a fault is none of the plugin.
  private func keepTrouble(_ result: Result<GatedExchange, HTTPFailure>) {
    switch result {
    case .success(let exchange):
      let isTrouble = exchange.status >= 500 || exchange.status == 408 || exchange.status == 429
      upstreamTrouble = isTrouble ? "it answered \(exchange.status)" : nil
    case .failure(let failure): if failure.isUpstreams { upstreamTrouble = failure.message }
    }
  }

  /// A plugin may hide it: its operator hears of it all the same.
  private func keepFault(_ failure: HTTPFailure) {
    if credentialFault == nil {
      log.warning(failure.code, failure.message, ["instance": "\(route.instance)", "tenant": "\(route.tenant)"])
    }
    credentialFault = failure.message
  }

  /// - Returns: Its place among the writes.
  private func keepWrite(_ request: HTTPOpen) -> Int {
    let target = "\(request.method) \(request.path)" + (request.query.isEmpty ? "" : "?\(request.query)")
    let digest = SHA256.digest(parts: [Array((target + "\n").utf8), request.body])
    sentWrites.append(SentWrite(digest: digest, status: nil))
    return sentWrites.count - 1
  }

  package func reads(handle: UInt32, window: Int, reply: HTTPReply) {
    guard let exchange = exchanges[handle], exchange.exchange != nil else {
      reply.fail(HTTPFailure(status: .invalid, code: "egress.no_handle", message: "No response has this handle."))
      return
    }
    asks()
    exchange.read(bytesMax: window) { [weak self] result in
      self?.isAnswered()
      if case .failure(let failure) = result, failure.isUpstreams { self?.upstreamTrouble = failure.message }
      switch result {
      case .success((let part, let isEnd)): reply.answer(part: part, isEnd: isEnd)
      case .failure(let failure): reply.fail(failure)
      }
    }
  }

  package func closed(handle: UInt32) {
    // Given up before it went out: it never does.
    if let token = heldRequests.removeValue(forKey: handle), let reply = durableReplies.removeValue(forKey: token) {
      unpaidBytes -= reply.bytes
    }
    guard let exchange = exchanges.removeValue(forKey: handle) else { return }
    wasHeldBack = wasHeldBack || exchange.isWaiting
    exchange.cancel()
  }

  package func mayLog() -> Bool { pluginLog.take(nowMs: SystemSources.monotonicMs()) }

  package func logged(level: Int, code: String, message: String, fields: [(name: String, value: String)]) {
    pluginLog.write(level: level, code, message, fields)
  }

  package func hintedRate(endpoint: String, limit: Int64?, remaining: Int64?, resetAtMs: Int64?) {
    gate.lowerRate(route, endpoint: endpoint, remaining: remaining, resetAtMs: resetAtMs)
  }
}

extension HTTPOpen {
  /// Roughly what it takes to keep.
  fileprivate var bytes: Int {
    headers.reduce(body.count + path.utf8.count + query.utf8.count) { $0 + $1.name.utf8.count + $1.value.utf8.count }
  }
}
