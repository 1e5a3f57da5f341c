import ConnectorFabric
import Domain
import PluginHost
import SluiceHost
import UVLoop

/// How the kit treats one operation.
struct Conduct: Sendable {
  enum Credit: Sendable, Equatable {
    /// More than anything needs, given back at once.
    case plenty
    /// So many records and bytes at a time, given back when they are used up.
    case little(records: Int, bytes: Int)
    /// None for so many milliseconds, then plenty.
    case noneFor(ms: Int)
    case none
  }
  var credit = Credit.plenty
  var deadlineMs = 5_000
  /// Whether `wait_durable` is answered.
  var isDurable = true
  /// Cancels at the plugin's so-manieth call of the host, from 1.
  var cancelAt: Int?
  /// Kills the worker at that call.
  var killAt: Int?
  /// Cancels after so long, whatever it does.
  var cancelAfterMs: Int?

  init() {}
}

/// One operation under the kit's eyes: keeps what the plugin does, and hands its requests to the product's own session and
/// egress. Confined to the loop's thread.
final class KitSession: OperationHandler {
  private let inner: OperationSession
  private let conduct: Conduct
  private let loop: EventLoop
  private weak var worker: Worker?
  private var waiting: [() -> Void] = []
  private var timers: [LoopTimer] = []
  private var calls = 0
  private(set) var observed = Observed()

  init(inner: OperationSession, conduct: Conduct, loop: EventLoop) {
    self.inner = inner
    self.conduct = conduct
    self.loop = loop
  }

  func begins(_ worker: Worker) {
    self.worker = worker
    switch conduct.credit {
    case .plenty: worker.grant(records: 100_000, bytes: 1 << 28)
    case .little(let records, let bytes): worker.grant(records: records, bytes: bytes)
    case .noneFor(let ms): after(ms) { [self] in self.worker?.grant(records: 100_000, bytes: 1 << 28) }
    case .none: break
    }
    if let ms = conduct.cancelAfterMs { after(ms) { [self] in self.worker?.cancel() } }
  }

  /// The operation is over.
  func ends(_ result: Result<OperationResult, WorkerFailure>) -> Observed {
    for timer in timers { timer.close() }
    inner.end()
    observed.result = result
    observed.refusals = inner.refusals.map(\.code)
    return observed
  }

  private func after(_ ms: Int, _ fire: @escaping () -> Void) {
    let timer = LoopTimer(loop)
    timers.append(timer)
    timer.start(after: .milliseconds(ms), fire)
  }

  private func sees(_ event: Observed.Event) {
    observed.events.append(event)
    calls += 1
    if calls == conduct.cancelAt { worker?.cancel() }
    if calls == conduct.killAt { worker?.stop() }
  }

  func emitted(_ batch: EmittedBatch) {
    inner.seesRecords()
    for record in batch.records {
      let seen = Observed.Record(
        stream: batch.stream, isDelete: record.isDelete, key: record.key, version: record.sourceVersion,
        ordinal: record.sourceOrdinal, eventTimeMs: record.eventTimeMs, payload: record.payload)
      sees(.record(seen))
    }
    if conduct.credit != .none { worker?.grant(records: batch.recordCount, bytes: batch.creditBytes) }
  }

  func checkpointed(stream: String, state: [UInt8], stateVersion: Int, watermarkMs: Int64?) {
    inner.seesCheckpoint()
    sees(.checkpoint(.init(stream: stream, state: state, version: stateVersion, watermarkMs: watermarkMs)))
  }

  func waitsUntilDurable(_ durable: @escaping () -> Void) {
    sees(.waitedUntilDurable)
    if conduct.isDurable { durable() } else { waiting.append(durable) }
  }

  func opened(_ request: HTTPOpen, reply: HTTPReply) {
    sees(
      .request(
        method: request.method, path: request.path, query: request.query, slot: request.slot, body: request.body))
    let counting = HTTPReply(
      head: { [self] status, throttledMs, headers in
        observed.opened += 1
        reply.answer(status: status, throttledMs: throttledMs, headers: headers)
      }, body: { reply.answer(part: $0, isEnd: $1) }, failure: { reply.fail($0) })
    inner.opened(request, reply: counting)
  }

  func reads(handle: UInt32, window: Int, reply: HTTPReply) {
    sees(.read(handle: handle))
    inner.reads(handle: handle, window: window, reply: reply)
  }

  func closed(handle: UInt32) {
    observed.closed += 1
    sees(.closed(handle: handle))
    inner.closed(handle: handle)
  }

  func logged(level: Int, code: String, message: String, fields: [(name: String, value: String)]) {
    // What the worker found is no doing of the plugin: it moves no count.
    let event = Observed.Event.log(
      level: level, code: code, message: message, fields: fields.map { "\($0.name)=\($0.value)" })
    if code.hasPrefix(WorkerSpec.violationPrefix) { observed.events.append(event) } else { sees(event) }
  }

  func hintedRate(endpoint: String, limit: Int64?, remaining: Int64?, resetAtMs: Int64?) {
    sees(.rateHint(endpoint: endpoint, remaining: remaining, resetAtMs: resetAtMs))
  }
}
