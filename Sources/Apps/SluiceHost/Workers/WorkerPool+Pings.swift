import PluginHost
import UVLoop

/// Workers that wait for work are asked whether they are still there. One that cannot listen any more would be found only
/// by the deadline of the next operation, and that operation would be lost with it.
extension WorkerPool {
  static let pingInterval = Duration.seconds(30)

  func startPinging() {
    loop.post { [self] in
      let timer = LoopTimer(loop)
      onLoop.pings = timer
      timer.start(after: Self.pingInterval, repeats: Self.pingInterval) { [self] in pingOnLoop() }
    }
  }

  /// One round, as it is made every `pingInterval`.
  func pingIdle() async { try? await loop.run { [self] in pingOnLoop() } }

  private func pingOnLoop() {
    for (key, slot) in onLoop.slots {
      guard let failure = slot.worker?.pingIdle() else { continue }
      log.warning(failure.code, failure.message, slot.route.fields)
      metrics.add("sluice_worker_unresponsive_total", 1, [("instance", slot.route.key)])
      onLoop.slots[key] = nil
    }
  }
}
