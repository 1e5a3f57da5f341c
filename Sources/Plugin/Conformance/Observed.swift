import CanonicalJSON
import Domain
import PluginHost

/// Everything that a plugin did in one operation, in order, and how that ended.
struct Observed: Sendable {
  struct Record: Sendable, Hashable {
    let stream: String
    let isDelete: Bool
    let key: [UInt8]
    let version: [UInt8]
    let ordinal: UInt64
    let eventTimeMs: Int64?
    let payload: [UInt8]
    var keyText: String { String(decoding: key, as: UTF8.self) }
  }
  struct Checkpoint: Sendable, Hashable {
    let stream: String
    let state: [UInt8]
    let version: Int
    let watermarkMs: Int64?
  }
  enum Event: Sendable, Hashable {
    case record(Record)
    case checkpoint(Checkpoint)
    case waitedUntilDurable
    case request(method: String, path: String, query: String, slot: String?, body: [UInt8])
    case read(handle: UInt32)
    case closed(handle: UInt32)
    case log(level: Int, code: String, message: String, fields: [String])
    case rateHint(endpoint: String, remaining: Int64?, resetAtMs: Int64?)

    /// What the worker found, when this is no doing of the plugin but the worker's word.
    func violation(of kind: String = "") -> String? {
      guard case .log(_, let code, let message, _) = self, code.hasPrefix(WorkerSpec.violationPrefix + kind) else {
        return nil
      }
      return message
    }
  }

  var events: [Event] = []
  var refusals: [String] = []
  var result: Result<OperationResult, WorkerFailure> = .failure(.stopped)
  /// The responses that it opened, and those that it closed.
  var opened = 0
  var closed = 0

  var records: [Record] { events.compactMap { if case .record(let record) = $0 { record } else { nil } } }
  var checkpoints: [Checkpoint] { events.compactMap { if case .checkpoint(let point) = $0 { point } else { nil } } }
  var requestCount: Int { events.count { if case .request = $0 { true } else { false } } }
  /// What the worker itself found, in checking mode: of one kind, or all of it.
  func violations(of kind: String = "") -> [String] {
    events.compactMap { $0.violation(of: kind) }
  }

  /// How many descriptors the worker had open at its end; nil when it was not asked to tell.
  var openDescriptors: Int? { violations(of: "descriptors").last.flatMap { Int($0) } }
  /// How many calls of the host it made that may fail; 0 when the worker was not asked to tell.
  var hostCalls: Int { violations(of: "host-calls").last.flatMap { Int($0) } ?? 0 }

  var status: OperationResult.Status? { try? result.get().status }
  var outcome: Int { (try? result.get().outcome) ?? 0 }
  var isOK: Bool { status == .ok }

  /// The word for how it ended.
  var ending: String {
    switch result {
    case .success(let result): result.outcome != 0 ? "outcome \(result.outcome)" : Observed.word(result.status)
    case .failure(let failure): failure.message
    }
  }
  /// What the plugin said of it.
  var words: String {
    guard case .success(let result) = result, !result.message.isEmpty else { return "" }
    return " (\(result.code): \(result.message))"
  }

  static func word(_ status: OperationResult.Status) -> String {
    switch status {
    case .ok: "OK"
    case .config: "CONFIG"
    case .auth: "AUTH"
    case .rateLimited: "RATE_LIMITED"
    case .transient: "TRANSIENT"
    case .permanent: "PERMANENT"
    case .bug: "BUG"
    case .cancelled: "CANCELLED"
    case .unsupported: "UNSUPPORTED"
    }
  }

  /// Throws when the worker died or hung: whatever a check asks, that is never the right answer.
  @discardableResult
  func alive(_ doing: String) throws(Fault) -> Observed {
    switch result {
    case .success: return self
    case .failure(.hung(let ms, _)):
      throw Fault("\(doing): it did not stop \(ms) ms after it was told to, and was killed.", kind: .hung)
    case .failure(let failure): throw Fault("\(doing): \(failure.message)", kind: .crashed)
    }
  }

  @discardableResult
  func succeeded(_ doing: String) throws(Fault) -> Observed {
    try alive(doing)
    guard isOK else { throw Fault("\(doing) ended with \(ending)\(words).") }
    return self
  }

  /// Throws unless it ended with one of the classes, in words for an operator.
  @discardableResult
  func failed(_ doing: String, with classes: [OperationResult.Status], needsWords: Bool = true) throws(Fault)
    -> Observed
  {
    try alive(doing)
    let allowed = classes.map(Observed.word).joined(separator: " or ")
    guard let status, classes.contains(status), outcome == 0 else {
      throw Fault("\(doing) ended with \(ending)\(words), where \(allowed) is right.")
    }
    guard !needsWords || status == .cancelled || (try? result.get().message.isEmpty) == false else {
      throw Fault("\(doing) ended with \(ending) and no message: an operator would not know why.")
    }
    return self
  }
}

extension OperationResult.Status {
  /// What an upstream's fault may lead to: the host tries again, now or later, or tells a person.
  static let typed: [OperationResult.Status] = [.transient, .permanent, .rateLimited, .auth, .config]
}
