package import ConnectorFabric
import Domain
import Foundation

/// Tells when a schedule's next pull is due, in milliseconds of the clock that the schedule follows.
package struct PullClock: Sendable {
  package let schedule: PullSchedule
  private let zone: TimeZone
  private let random: @Sendable (Int) -> [UInt8]

  /// - Throws: `ScheduleError.unknownTimeZone`.
  package init(_ schedule: PullSchedule, random: @escaping @Sendable (Int) -> [UInt8]) throws(ScheduleError) {
    self.schedule = schedule
    self.random = random
    guard case .cron(_, let name) = schedule.times else {
      zone = .gmt
      return
    }
    guard let zone = TimeZone(identifier: name) else { throw .unknownTimeZone(name: name) }
    self.zone = zone
  }

  /// The first pull after the host's start or the instance's.
  package func first(nowMs: Int64) -> Int64 {
    schedule.catchUp == .once ? nowMs : next(after: nowMs)
  }

  /// - Parameters:
  ///   - planned: When the pull that has just ended was due.
  ///   - nowMs: When it ended.
  package func next(afterPull planned: Int64, nowMs: Int64) -> Int64 {
    let following = next(after: planned)
    guard following < nowMs else { return following }
    return schedule.catchUp == .once ? nowMs : next(after: nowMs)
  }

  private func next(after ms: Int64) -> Int64 {
    let due: Int64
    switch schedule.times {
    case .every(let interval): due = ms + Int64(interval)
    case .cron(let cron, _): due = instant(of: cron.next(after: local(ms)), after: ms, cron)
    }
    return due + jitter()
  }

  private func local(_ ms: Int64) -> LocalMinute {
    let offset = zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(ms) / 1000))
    let minutes = Int((ms / 1000 + Int64(offset)) / 60)
    return LocalMinute(day: BusinessDay(number: minutes / 1440), minute: minutes % 1440)
  }

  /// When a clock of the zone shows that minute. One that a change of clocks leaves out comes as much later as they
  /// were put forward; one that comes twice counts once, the first time.
  private func instant(of time: LocalMinute, after ms: Int64, _ cron: Cron) -> Int64 {
    let wall = Int64(time.day.number) * 86_400 + Int64(time.minute) * 60
    let offsets = [wall - 86_400, wall + 86_400].map {
      Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double($0))))
    }
    let candidates = offsets.map { wall - $0 }
    let exact = candidates.filter { local($0 * 1000) == time }.min()
    let due = (exact ?? candidates.max()!) * 1000
    // Clocks that were put back show the same minutes again: those have had their time.
    return due > ms ? due : instant(of: cron.next(after: time), after: ms, cron)
  }

  private func jitter() -> Int64 {
    guard schedule.jitterMs > 0 else { return 0 }
    let drawn = random(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Int64(drawn % UInt64(schedule.jitterMs + 1))
  }
}

package enum ScheduleError: OperatorError, Equatable {
  case unknownTimeZone(name: String)

  package var code: String { "connector.unknown_time_zone" }
  package var message: String {
    switch self {
    case .unknownTimeZone(let name): "This system knows no time zone \"\(name)\"."
    }
  }
  package var remedy: String { "Give a name of the tz database, such as Europe/Berlin or UTC." }
}
