import SluiceKit

/// Where a pull stands, and what it may claim.
///
/// Stripe lists objects by when they were made, not by when they changed, and tells changes as events, newest first, for 30
/// days. Hence:
/// - every pull notes when the newest event of all happened, by Stripe's own clock. A first one then lists everything, and
///   follows the events from there: what changed while it listed is among them;
/// - a later one follows the events from what the last one noted, a few minutes earlier: what is read twice is the same
///   version of the same object;
/// - what is newer than the first page of a pull waits for the next pull, so a pull may be interrupted anywhere;
/// - a pull claims the days that were over when it began. Today is never claimed: it is not over.
struct Place: Equatable {
  static let stateVersion: UInt32 = 1
  enum Phase: String { case listing = "list", following = "events" }

  /// Events may appear so much later than they happened, and clocks differ, in seconds.
  private static let overlap: Int64 = 300
  private static let day: Int64 = 86_400
  /// After so long without a pull some event may be gone, in seconds.
  private static let eventsKept: Int64 = 29 * day

  private(set) var phase: Phase
  /// Of the object or event behind which the next page begins.
  private(set) var after: String?
  /// When the newest event before this pull happened.
  private(set) var snapshot: Int64 = 0
  private(set) var needsSnapshot: Bool
  /// When this pull began, by the host's clock.
  private var began: Int64
  /// The events before this are known.
  private var since: Int64
  /// The newest event of this pull.
  private var newest: Int64 = 0
  private var hasRestarted = false
  /// Pages of this pull end behind these. A list that comes back to one would never end.
  private var seen: Set<String> = []

  /// - Parameters:
  ///   - now: in seconds since 1970.
  ///   - expired: called when too long has passed to know all that has happened.
  init(state: [UInt8]?, version: UInt32, now: Int64, expired: () -> Void) throws {
    (began, since) = (now, 0)
    guard let state else {
      (phase, needsSnapshot) = (.listing, true)
      return
    }
    guard version == Self.stateVersion, let json = try? JSON(parsing: state),
      let phase = json["phase"]?.string.flatMap({ Phase(rawValue: $0) }), let since = json["since"]?.integer
    else { throw Failure.permanent("stripe.bad_state", "The checkpoint is not one of this plugin's; reset it.") }
    let startedAt = json["began"]?.integer
    guard now - (startedAt ?? json["pulled"]?.integer ?? now) < Self.eventsKept else {
      expired()
      (self.phase, needsSnapshot) = (.listing, true)
      return
    }
    (self.phase, needsSnapshot, self.since) = (phase, startedAt == nil, since)
    // One that was interrupted claims no more than when it began.
    began = min(startedAt ?? now, now)
    after = json["after"]?.string
    snapshot = json["snapshot"]?.integer ?? 0
    newest = json["newest"]?.integer ?? 0
    if let after { seen.insert(after) }
  }

  mutating func begin(newestEvent: Int64) {
    (snapshot, needsSnapshot) = (newestEvent, false)
    if phase == .listing { since = newestEvent }
  }

  /// From when on events are asked for, in seconds since 1970.
  var eventsFrom: Int64 { max(since - Self.overlap, 0) }

  /// Goes behind the page.
  /// - Returns: Whether the pull has caught up.
  mutating func advance(past page: Page) throws -> Bool {
    if phase == .following, let first = page.items.first { newest = max(newest, try Event(first).created) }
    if page.hasMore {
      guard let last = page.lastID, seen.insert(last).inserted else {
        throw Failure.permanent(
          "stripe.endless_list", "Stripe's list leads back to \(page.lastID ?? "nothing") again and again.")
      }
      after = last
      return false
    }
    (after, seen) = (nil, [])
    if phase == .listing {
      phase = .following
      return false
    }
    since = max(since, newest, snapshot)
    isCaughtUp = true
    return true
  }
  private var isCaughtUp = false

  /// Reads a list again from its beginning, once.
  mutating func restart(_ stream: StripeStream) throws {
    guard !hasRestarted else {
      throw Failure.transient("stripe.cursor_gone", "Objects of \(stream.rawValue) vanish while they are listed.")
    }
    (hasRestarted, after, seen) = (true, nil, [])
  }

  var state: [UInt8] {
    var members: [JSON.Member] = [.init("phase", .string(phase.rawValue)), .init("since", .integer(since))]
    guard !isCaughtUp else { return JSON.object(members + [.init("pulled", .integer(began))]).bytes }
    members += [
      .init("began", .integer(began)), .init("snapshot", .integer(snapshot)), .init("newest", .integer(newest)),
    ]
    if let after { members.append(.init("after", .string(after))) }
    return JSON.object(members).bytes
  }

  /// The last millisecond of the last day that was over when the pull began, UTC.
  var watermarkMs: Int64 { (began - Self.overlap) / Self.day * Self.day * 1_000 - 1 }
}
