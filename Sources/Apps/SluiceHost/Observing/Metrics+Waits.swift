import ConnectorFabric

extension Metrics {
  /// One wait, counted while it lasts and not only once it is over. Ended at the latest when nobody holds it.
  final class Wait: Sendable {
    private let metrics: Metrics
    private let key: Key

    fileprivate init(_ metrics: Metrics, _ key: Key) {
      self.metrics = metrics
      self.key = key
    }

    /// It lasts from a time on, which may be to come; where nil, it is over for now.
    func last(sinceMs: Int64?) { metrics.lasts(ObjectIdentifier(self), key, sinceMs: sinceMs) }

    func begin() { last(sinceMs: metrics.clock.monotonicMs()) }

    func end() { last(sinceMs: nil) }

    deinit { end() }
  }

  /// A wait that begins now.
  func wait(_ cause: WaitCause, instance: String) -> Wait {
    let wait = idleWait(cause, instance: instance)
    wait.begin()
    return wait
  }

  /// One of an edge.
  func wait(_ cause: WaitCause, at edge: Throttle.Member) -> Wait {
    let wait = idleWait(cause, at: edge)
    wait.begin()
    return wait
  }

  /// A wait that has not begun.
  func idleWait(_ cause: WaitCause, instance: String) -> Wait { idleWait(cause, [("instance", instance)]) }
  func idleWait(_ cause: WaitCause, at edge: Throttle.Member) -> Wait { idleWait(cause, edge.labels) }

  private func idleWait(_ cause: WaitCause, _ labels: [(String, String)]) -> Wait {
    Wait(self, Key(name: "sluice_wait_seconds_total", labels: Self.render(labels + [("cause", cause.rawValue)])))
  }
}
