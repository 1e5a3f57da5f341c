/// An upgrade that is under way: what is tried can be given up until it is decided. Confined to its `RunningHost`.
final class UpgradeTrial {
  /// Somebody wants the instance to rest: the version that runs stays.
  private(set) var isGivenUp = false
  private var isDecided = false
  /// The new version, while it is asked.
  private var tried: ConnectorInstance?
  private var waiting: [CheckedContinuation<Void, Never>] = []

  func tries(_ instance: ConnectorInstance) { tried = instance }

  /// From now on it is carried out, whoever comes.
  /// - Returns: False when it was given up before.
  func decide() -> Bool {
    isDecided = !isGivenUp
    return isDecided
  }

  /// - Returns: What must be stopped for it.
  func giveUp() -> ConnectorInstance? {
    guard !isDecided else { return nil }
    isGivenUp = true
    return tried
  }

  func whenEnded(_ next: CheckedContinuation<Void, Never>) { waiting.append(next) }

  func end() {
    for next in waiting { next.resume() }
    waiting = []
  }
}

extension RunningHost {
  /// An operator wants an instance to rest: another version of it that is only tried gives way, one that is being journaled
  /// comes first. Returns when no upgrade is under way any more.
  func giveWay(_ key: String) async {
    while let trial = upgrading[key] {
      if let tried = trial.giveUp() { await tried.stop() }
      // It may have ended meanwhile, and another one begun.
      guard upgrading[key] === trial else { continue }
      await withCheckedContinuation { trial.whenEnded($0) }
    }
  }
}
