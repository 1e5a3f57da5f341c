import Domain
import Egress
import PluginHost
import Vault

/// A response on its way to the plugin, without echoes of the credential. Confined to the loop's thread.
final class GatedExchange {
  var status = 0
  var headers: [(name: String, value: String)] = []
  var throttledMs = 0
  /// nil while it waits for its turn.
  var exchange: EgressExchange?
  /// Its turn at its throttle, waiting or under way, and who is to be told that it is over.
  private var turn: (turn: Throttles.Turn, throttles: Throttles)?
  var keepAlive: GatedExchange?
  private(set) var isFinished = false
  /// It was answered 401, and is to be sent once more.
  var isToBeSentAgain = false
  var isWaiting: Bool { (exchange == nil || isToBeSentAgain) && !isFinished }
  /// It was sent, or a part of its answer was asked for, and nothing has come.
  private(set) var awaitsUpstream = false
  private var upstreamWait: Metrics.Wait?
  private var scrubber = SecretScrubber([])
  private var secrets: [Secret] = []

  /// What is sent with it, and must not come back; once more for each time that it is sent.
  func keepOut(_ secrets: [Secret]) {
    self.secrets += secrets
    scrubber = SecretScrubber(self.secrets)
  }

  /// - Parameter wait: What counts it, here and for each part of the answer.
  func awaitUpstream(_ wait: Metrics.Wait) {
    upstreamWait = wait
    awaitUpstream()
  }

  private func awaitUpstream() {
    awaitsUpstream = true
    upstreamWait?.begin()
  }

  func hearUpstream() {
    awaitsUpstream = false
    upstreamWait?.end()
  }

  func hold(_ turn: Throttles.Turn, of throttles: Throttles) { self.turn = (turn, throttles) }

  func giveTurnBack() {
    guard let (turn, throttles) = turn else { return }
    self.turn = nil
    throttles.end(turn)
  }

  private static let withheld: Set<String> = ["set-cookie", "www-authenticate", "proxy-authenticate"]

  func scrub(_ headers: [(name: String, value: String)]) -> [(name: String, value: String)] {
    headers.filter { !Self.withheld.contains($0.name) }.map { ($0.name, scrubber.scrub($0.value)) }
  }

  /// The next part of the body, never empty unless it is the end.
  func read(bytesMax: Int, _ reader: @escaping (Result<(part: [UInt8], isEnd: Bool), HTTPFailure>) -> Void) {
    guard let exchange, !isFinished else {
      reader(.success(([], true)))
      return
    }
    awaitUpstream()
    exchange.read(bytesMax: bytesMax) { [self] result in
      hearUpstream()
      switch result {
      case .failure(let failure):
        finish()
        reader(.failure(HTTPFailure(failure)))
      case .success((let part, let isEnd)):
        let clean = scrubber.scrub(part, isEnd: isEnd)
        if isEnd { finish() }
        if clean.isEmpty, !isEnd { read(bytesMax: bytesMax, reader) } else { reader(.success((clean, isEnd))) }
      }
    }
  }

  /// Ends it, waiting or under way; nobody is answered any more.
  func cancel() {
    exchange?.cancel()
    finish()
  }

  func finish() {
    guard !isFinished else { return }
    isFinished = true
    upstreamWait = nil
    giveTurnBack()
    keepAlive = nil
  }
}

extension HTTPFailure {
  /// With what to do: a plugin that passes it on tells its operator.
  init(_ status: Status, _ error: any OperatorError) {
    self.init(status: status, code: error.code, message: "\(error.message) \(error.remedy)")
  }

  init(_ failure: EgressFailure) {
    let status: HTTPFailure.Status =
      switch failure {
      case .noConnection, .timedOut, .broken: .transient
      case .proxyRefused(_, let status): status == 407 ? .auth : .transient
      case .certificateRefused: .auth
      case .tls, .privateAddress, .plainHTTP, .badURL: .permanent
      case .tooLarge: .tooLarge
      }
    // What only an operator can mend says how.
    self.init(
      status: status, code: failure.code,
      message: status == .auth ? "\(failure.message) \(failure.remedy)" : failure.message)
  }
}

extension HTTPFailure {
  /// The upstream, or its token endpoint, gave no proper answer: no fault of the plugin, nor of this host.
  var isUpstreams: Bool {
    status == .transient && code.hasPrefix("egress.") || code == "token.unreachable" || code == "token.too_many"
  }
}

extension EgressFailure {
  /// The upstream was asked, or was to be, and said nothing: it may have too much to do.
  var isSilence: Bool {
    switch self {
    case .noConnection, .timedOut, .broken: true
    case .proxyRefused, .tls, .certificateRefused, .privateAddress, .plainHTTP, .badURL, .tooLarge: false
    }
  }
}
