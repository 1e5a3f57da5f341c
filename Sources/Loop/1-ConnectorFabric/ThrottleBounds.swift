/// The bounds of one throttle: of all who share it, of each manifest's own requests, of each tenant's at one address, and of
/// each endpoint's budget there.
struct ThrottleBounds: Sendable {
  /// Whose answers are believed by whom.
  struct View: Sendable, Hashable { let tenant, base: String }
  /// An endpoint as its manifest names it, with what is asked there: another endpoint at the same address is another one.
  struct Desk: Sendable, Hashable { let tenant, base, endpoint: String }
  struct Share: Sendable, Hashable {
    let connector: String
    let limits: Throttle.Limits
  }

  /// What the answers have shown.
  struct Sight: Sendable {
    var adaptive: AdaptiveConcurrency
    var pause = UpstreamPause()
  }

  /// Who holds how many places.
  struct Places {
    private(set) var all = 0
    private(set) var reads = 0
    private(set) var hasActions = false
    private(set) var of: [Share: Int] = [:]
    private(set) var by: [String: Int] = [:]
    private(set) var at: [View: (all: Int, reads: Int, hasActions: Bool)] = [:]

    mutating func add(_ member: Throttle.Member, inFlight: Int) {
      let reading = member.isReserved ? 0 : inFlight
      all += inFlight
      reads += reading
      hasActions = hasActions || member.isExecutor
      of[member.share, default: 0] += inFlight
      by[member.tenant, default: 0] += inFlight
      let before = at[member.view] ?? (0, 0, false)
      at[member.view] = (before.all + inFlight, before.reads + reading, before.hasActions || member.isExecutor)
    }

    /// Places of `limit` that reads leave to actions, where there are any.
    static func kept(of limit: Int, _ hasActions: Bool) -> Int { hasActions && limit > 1 ? max(1, limit / 4) : 0 }
  }

  /// How many may be under way together.
  private(set) var cap: Int
  private var bucket: TokenBucket
  private var shares: [Share: TokenBucket] = [:]
  var sights: [View: Sight] = [:]
  var budgets: [Desk: UpstreamBudget] = [:]

  init(_ limits: Throttle.Limits, nowMs: Int64) {
    bucket = TokenBucket(ratePerSecond: limits.ratePerSecond, burst: limits.burst, nowMs: nowMs)
    cap = limits.concurrency
  }

  /// What belonged to others than these is forgotten.
  mutating func agree(_ members: [Throttle.Member], nowMs: Int64) {
    let limits = members.map(\.limits)
    bucket.change(
      ratePerSecond: limits.map(\.ratePerSecond).max()!, burst: limits.map(\.burst).max()!, nowMs: nowMs)
    cap = limits.map(\.concurrency).max()!
    let byShare = Dictionary(grouping: members, by: \.share)
    let byView = Dictionary(grouping: members, by: \.view)
    shares = shares.filter { byShare[$0.key] != nil }
    sights = sights.filter { byView[$0.key] != nil }
    let desks = Set(members.map(\.desk))
    budgets = budgets.filter { desks.contains($0.key) }
    for share in byShare.keys where shares[share] == nil {
      shares[share] = TokenBucket(
        ratePerSecond: share.limits.ratePerSecond, burst: share.limits.burst, nowMs: nowMs)
    }
    for (view, members) in byView {
      let cap = members.map(\.limits.concurrency).max()!
      if sights[view] == nil { sights[view] = Sight(adaptive: AdaptiveConcurrency(cap: cap)) }
      if sights[view]!.adaptive.cap != cap { sights[view]!.adaptive.change(cap: cap) }
    }
  }

  /// What keeps a request of this member from going, and for how long; `.max` for as long as places are taken.
  func hold(_ member: Throttle.Member, _ places: Places, _ nowMs: Int64) -> (why: Throttle.Hold, ms: Int64)? {
    let sight = sights[member.view]!
    let pauseMs = sight.pause.wait(nowMs: nowMs)
    if pauseMs > 0 { return (.retryAfter, pauseMs) }
    let (own, limit) = (places.at[member.view]!, sight.adaptive.limit)
    // Where trouble has left one place, reads can keep none of it for actions: one of these goes beside the read.
    let isBeside = member.isReserved && limit == 1 && own.all == own.reads
    guard
      places.all < cap, places.of[member.share]! < member.limits.concurrency, own.all < limit + (isBeside ? 1 : 0)
    else { return (.places, .max) }
    // One tenant that opens answers and does not read them leaves a place to the others.
    guard places.by.count < 2 || cap < 2 || places.by[member.tenant]! < cap - 1 else { return (.places, .max) }
    guard
      member.isReserved
        || places.reads < cap - Places.kept(of: cap, places.hasActions)
          && own.reads < limit - Places.kept(of: limit, own.hasActions)
    else { return (.places, .max) }
    let rateMs = max(bucket.wait(nowMs: nowMs), shares[member.share]!.wait(nowMs: nowMs))
    if rateMs > 0 { return (.rate, rateMs) }
    let hintMs = budgets[member.desk]?.wait(isReserved: member.isReserved, nowMs: nowMs) ?? 0
    return hintMs > 0 ? (.hint, hintMs) : nil
  }

  /// A request of this member goes.
  /// - Parameter places: With its own.
  mutating func spend(_ member: Throttle.Member, _ places: Places, nowMs: Int64) {
    bucket.spend(nowMs: nowMs)
    shares[member.share]!.spend(nowMs: nowMs)
    budgets[member.desk, default: UpstreamBudget()].spend(nowMs: nowMs)
    let own = places.at[member.view]!
    sights[member.view]!.adaptive.sent(inFlight: own.all)
    guard !member.isReserved else { return }
    // Reads that fill all that they may have do not wait for an action to come before they may have more.
    let kept = Places.kept(of: sights[member.view]!.adaptive.limit, own.hasActions)
    sights[member.view]!.adaptive.sent(inFlight: own.reads, kept: kept)
  }
}
