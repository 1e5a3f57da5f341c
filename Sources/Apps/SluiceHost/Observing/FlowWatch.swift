import Domain
import Synchronization
import UVLoop

/// Keeps what was counted a few seconds ago, so that whoever asks is told of now, and needs no second look for it.
final class FlowWatch: Sendable {
  /// The window is one to two of it.
  static let everyMs: Int64 = 5_000
  private let metrics: Metrics
  /// The last two; at first the beginning, when nothing was counted.
  private let kept: Mutex<[FlowSample]>
  /// Confined to the loop's thread, hence unchecked.
  private final class OnLoop: @unchecked Sendable { var timer: LoopTimer? }
  private let onLoop = OnLoop()

  init(_ metrics: Metrics) {
    self.metrics = metrics
    kept = Mutex([FlowSample(atMs: metrics.clock.monotonicMs())])
  }

  /// By the machine's time, like all that only looks.
  func start(on loop: EventLoop) {
    loop.post { [weak self] in
      guard let self else { return }
      let timer = LoopTimer(loop)
      onLoop.timer = timer
      let every = Duration.milliseconds(Self.everyMs)
      // Off the loop's thread, which has workers to serve.
      timer.start(after: every, repeats: every) { [weak self] in Task { self?.keep() } }
    }
  }

  func stop(on loop: EventLoop) {
    loop.post { [onLoop] in
      onLoop.timer?.close()
      onLoop.timer = nil
    }
  }

  func keep() { keep(FlowSample(metrics)) }

  func keep(_ sample: FlowSample) {
    // Of two that were taken at once the later one may come first.
    kept.withLock { kept in
      guard kept.allSatisfy({ $0.atMs < sample.atMs }) else { return }
      kept = kept.suffix(1) + [sample]
    }
  }

  /// What a look at now is compared with.
  var earlier: FlowSample { kept.withLock { $0[0] } }
}
