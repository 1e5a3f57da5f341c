package import Domain

/// When a source is pulled by itself. At most one pull of an instance runs at a time, whatever this says.
package struct PullSchedule: Equatable, Sendable {
  package enum Times: Equatable, Sendable {
    case every(ms: Int)
    /// In the wall time of a zone of the tz database, such as `Europe/Berlin`.
    case cron(Cron, timeZone: String)
  }
  /// What becomes of a time that passed while the host was down or another pull was running.
  package enum CatchUp: String, CaseIterable, Sendable {
    /// It is made up for, once, as soon as possible.
    case once
    /// The next time is waited for.
    case skip
  }

  /// Times of day follow the wall clock, which may be set; distances in time follow one that is never set.
  package var isByWallClock: Bool {
    switch times {
    case .every: false
    case .cron: true
    }
  }

  /// Nil where pulls go by a calendar.
  package var intervalMs: Int64? { if case .every(let ms) = times { Int64(ms) } else { nil } }

  package let times: Times
  /// Up to so many milliseconds are added to each time, so that not everybody asks at the full hour.
  package let jitterMs: Int
  package let catchUp: CatchUp

  /// Reads a manifest's or an instance's `schedule`.
  package init(_ r: DocumentReader) throws(DocumentError) {
    try r.allow(["interval_ms", "cron", "time_zone", "jitter_ms", "catch_up"])
    guard r["interval_ms"].isPresent != r["cron"].isPresent else {
      throw r.error("without one way to tell times, or with two", allowed: "either interval_ms or cron")
    }
    if r["interval_ms"].isPresent {
      guard !r["time_zone"].isPresent else {
        throw r["time_zone"].error("given with interval_ms", allowed: "time_zone only with cron")
      }
      times = .every(ms: try r["interval_ms"].integer(in: 1...86_400_000))
    } else {
      let text = try r["cron"].string("five fields: minute hour day month weekday")
      let cron: Cron
      do throws(Cron.Fault) { cron = try Cron(text) } catch {
        throw r["cron"].error("\"\(error.part)\"", allowed: error.allowed)
      }
      times = .cron(cron, timeZone: r["time_zone"].isPresent ? try r["time_zone"].string("a time zone") : "UTC")
    }
    jitterMs = r["jitter_ms"].isPresent ? try r["jitter_ms"].integer(in: 0...3_600_000) : 0
    catchUp = r["catch_up"].isPresent ? try r["catch_up"].choice(CatchUp.self) : .once
  }
}
