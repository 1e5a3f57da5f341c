/// Makes one HTTP request. The seam between the sender and the network.
package protocol WebhookTransport: Sendable {
  /// - Returns: the status of the answer.
  /// - Throws: when nobody answers.
  func post(_ body: [UInt8], headers: [String: String], to url: String) async throws -> Int
}

/// Time as it passes outside the simulation.
package struct Clockwork: Sendable {
  /// Seconds since 1970, for signatures.
  package let wall: @Sendable () -> Int
  /// Seconds on a clock that never goes back.
  package let steady: @Sendable () -> Double
  package let pause: @Sendable (Duration) async -> Void

  package init(
    wall: @escaping @Sendable () -> Int, steady: @escaping @Sendable () -> Double,
    pause: @escaping @Sendable (Duration) async -> Void
  ) {
    self.wall = wall
    self.steady = steady
    self.pause = pause
  }
}

/// Sends webhooks, a few at a time, and counts what became of each.
///
/// Until a URL is registered they wait; those still waiting when the day ends count as `unregistered`.
package actor WebhookSender {
  package static let concurrencyMax = 4
  package static let retriesMax = 3

  private enum Outcome { case delivered, refused, failed }

  private let headers: @Sendable (Webhook, Int) -> [String: String]
  private let transport: any WebhookTransport
  private let clockwork: Clockwork
  private var url: String?
  private var waiting: [Webhook] = []
  private var running = 0
  private var idle: [CheckedContinuation<Void, Never>] = []
  /// When set, no attempt starts behind this steady time.
  private var deadline: Double?
  private var counts = WebhookCounts()

  /// - Parameter headers: of an attempt at that time, in seconds since 1970: they prove who sends it.
  package init(
    transport: any WebhookTransport, clockwork: Clockwork,
    headers: @escaping @Sendable (Webhook, Int) -> [String: String]
  ) {
    self.headers = headers
    self.transport = transport
    self.clockwork = clockwork
  }

  /// Attempts, sent, refused, failed and unregistered.
  package var outcomes: WebhookCounts { counts }
  package var target: String? { url }

  package func register(_ url: String) {
    self.url = url
    pump()
  }

  package func send(_ webhooks: [Webhook]) {
    waiting += webhooks
    pump()
  }

  /// Returns when every webhook given so far was attempted; what is left after `seconds` counts as failed.
  package func finishDay(within seconds: Double) async {
    if url == nil {
      counts.unregistered += waiting.count
      waiting = []
    }
    guard running > 0 || !waiting.isEmpty else { return }
    deadline = clockwork.steady() + seconds
    await withCheckedContinuation { idle.append($0) }
    deadline = nil
  }

  private func pump() {
    guard let url else { return }
    while running < Self.concurrencyMax, !waiting.isEmpty {
      let webhook = waiting.removeFirst()
      running += 1
      Task { finish(await deliver(webhook, to: url)) }
    }
  }

  private func finish(_ outcome: Outcome) {
    switch outcome {
    case .delivered: counts.sent += 1
    case .refused: counts.refused += 1
    case .failed: counts.failed += 1
    }
    running -= 1
    pump()
    guard running == 0, waiting.isEmpty else { return }
    for waiter in idle { waiter.resume() }
    idle = []
  }

  private func deliver(_ webhook: Webhook, to url: String) async -> Outcome {
    for attempt in 0...Self.retriesMax {
      if attempt > 0 { await clockwork.pause(.milliseconds(50 << (2 * (attempt - 1)))) }
      if let deadline, clockwork.steady() >= deadline { return .failed }
      counts.attempts += 1
      let headers = headers(webhook, clockwork.wall())
      switch try? await transport.post(webhook.body, headers: headers, to: url) {
      case .some(200..<300): return .delivered
      case .some(500...), .none: continue
      case .some: return .refused
      }
    }
    return .failed
  }
}
