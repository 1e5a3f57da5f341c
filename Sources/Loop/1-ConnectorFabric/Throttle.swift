/// What one credential may ask of one upstream, shared by all who use it: tokens for the rate, places for how many at
/// once, turns between those who wait.
///
/// Four bounds hold at the same time. A manifest's own requests stay within its reviewed limits, whoever runs it. All
/// together stay within the widest of those limits. And each tenant, at each base address, stays within what the answers
/// from there have shown to be good (`AdaptiveConcurrency`, `UpstreamPause`): what one tenant's upstream says holds nobody
/// else back. What a plugin says is left for an endpoint holds for that endpoint alone (`UpstreamBudget`). Of several tenants
/// none has every place. A quarter of the places, and every other turn, is kept for executors once there are any. Whoever
/// asks for an access token goes first: others wait for it, and hold no place meanwhile.
/// Times are milliseconds of any monotonic clock.
package struct Throttle: Sendable {
  package struct Limits: Sendable, Hashable {
    package let ratePerSecond: Int
    package let burst: Int
    package let concurrency: Int
    package init(ratePerSecond: Int, burst: Int, concurrency: Int) {
      self.ratePerSecond = ratePerSecond
      self.burst = burst
      self.concurrency = concurrency
    }
  }

  /// Who shares it: an instance of a tenant, by one of its endpoints and slots.
  package struct Member: Sendable, Hashable {
    package let tenant: String
    package let instance: String
    package let endpoint: String
    /// Empty without a credential.
    package let slot: String
    /// The address that it asks there.
    package let base: String
    /// The manifest's name: its instances share its limits.
    package let connector: String
    package let limits: Limits
    package let isExecutor: Bool
    /// It asks for the slot's access token.
    package let isToken: Bool

    package init(
      tenant: String, instance: String, endpoint: String, slot: String, base: String, connector: String,
      limits: Limits, isExecutor: Bool, isToken: Bool = false
    ) {
      self.tenant = tenant
      self.instance = instance
      self.endpoint = endpoint
      self.slot = slot
      self.base = base
      self.connector = connector
      self.limits = limits
      self.isExecutor = isExecutor
      self.isToken = isToken
    }

    /// May have the places that reads leave.
    var isReserved: Bool { isExecutor || isToken }
    var desk: ThrottleBounds.Desk { ThrottleBounds.Desk(tenant: tenant, base: base, endpoint: endpoint) }
    var view: ThrottleBounds.View { ThrottleBounds.View(tenant: tenant, base: base) }
    var share: ThrottleBounds.Share { ThrottleBounds.Share(connector: connector, limits: limits) }
  }

  package struct Waiting: Sendable, Equatable {
    package let number: Int
    package let member: Member
    package let sinceMs: Int64
  }

  package enum Turn: Sendable, Equatable {
    case goes(Waiting)
    /// Nobody goes before that many milliseconds have passed, unless somebody ends.
    case wait(ms: Int64)
    /// Nobody waits, or all wait for a place.
    case nobody
  }

  /// Why somebody waits.
  package enum Hold: String, Sendable, CaseIterable {
    case retryAfter = "retry_after"
    case rate
    case hint
    case places
  }

  private var bounds: ThrottleBounds
  private var queue = FairQueue<Waiting>()
  /// Those for whom others wait, in order.
  private var first: [Waiting] = []
  private var members: [Member: (inFlight: Int, usedAtMs: Int64)] = [:]
  /// How many may be under way together.
  package var cap: Int { bounds.cap }
  package private(set) var lastUsedMs: Int64

  /// Who has asked for nothing for so long does not count any more.
  package static let memoryMs = UpstreamBudget.longestMs
  /// How many requests of one tenant wait, actions and reads each.
  package static let waitingMax = 256

  package init(_ limits: Limits, nowMs: Int64) {
    bounds = ThrottleBounds(limits, nowMs: nowMs)
    lastUsedMs = nowMs
  }

  package var inFlight: Int { members.values.reduce(0) { $0 + $1.inFlight } }
  package var queued: Int { queue.count + first.count }
  private var all: [Waiting] { first + queue.all }
  package func inFlight(of member: Member) -> Int { members[member]?.inFlight ?? 0 }
  package func waiting(of member: Member) -> [Waiting] { all.filter { $0.member == member } }
  package var usedBy: [Member] { Array(members.keys) }
  /// How many requests of its tenant may be under way at its address now.
  package func limit(of member: Member) -> Int {
    min(bounds.sights[member.view]?.adaptive.limit ?? 1, member.limits.concurrency)
  }
  /// What that was halved for last, until it has grown again.
  package func trouble(of member: Member) -> AdaptiveConcurrency.Trouble? {
    bounds.sights[member.view]?.adaptive.trouble
  }
  package func isForgotten(nowMs: Int64) -> Bool {
    queued == 0 && nowMs - lastUsedMs > Self.memoryMs && inFlight == 0
  }

  /// - Parameter number: The caller's, for `remove`; each once.
  /// - Returns: False when too many of that tenant wait already.
  package mutating func add(_ number: Int, _ member: Member, nowMs: Int64) -> Bool {
    let waiting =
      member.isToken
      ? first.count { $0.member.tenant == member.tenant } : queue.count(of: member.tenant, isAction: member.isExecutor)
    guard waiting < Self.waitingMax else { return false }
    lastUsedMs = nowMs
    members[member] = (inFlight(of: member), nowMs)
    agree(nowMs)
    let one = Waiting(number: number, member: member, sinceMs: nowMs)
    if member.isToken {
      first.append(one)
    } else {
      queue.add(one, tenant: member.tenant, isAction: member.isExecutor)
    }
    return true
  }

  /// Takes back what has not gone yet.
  package mutating func remove(_ number: Int) {
    first.removeAll { $0.number == number }
    queue.remove { $0.number == number }
  }

  /// The bounds of those who share it now; who has left is forgotten.
  private mutating func agree(_ nowMs: Int64) {
    if members.contains(where: { isGone($0.key, nowMs) }) {
      let waits = Set(all.map(\.member))
      members = members.filter { !isGone($0.key, nowMs) || waits.contains($0.key) }
    }
    bounds.agree(Array(members.keys), nowMs: nowMs)
  }

  private func isGone(_ member: Member, _ nowMs: Int64) -> Bool {
    members[member].map { $0.inFlight == 0 && nowMs - $0.usedAtMs > Self.memoryMs } ?? true
  }

  private var places: ThrottleBounds.Places {
    members.reduce(into: ThrottleBounds.Places()) { $0.add($1.key, inFlight: $1.value.inFlight) }
  }

  /// Lets the next one go.
  package mutating func next(nowMs: Int64) -> Turn {
    guard queued > 0 else { return .nobody }
    let places = places
    guard places.all < cap else { return .nobody }
    // What holds one request of a member holds all of them.
    var holds: [Member: Int64] = [:]
    let bounds = bounds
    func mayGo(_ waiting: Waiting) -> Bool {
      let ms = holds[waiting.member] ?? bounds.hold(waiting.member, places, nowMs)?.ms ?? 0
      holds[waiting.member] = ms
      return ms == 0
    }
    let ahead = first.firstIndex(where: mayGo)
    let taken = ahead.map { first.remove(at: $0) } ?? queue.take(mayGo)
    guard let taken else {
      let ms = holds.values.min() ?? .max
      return ms == .max ? .nobody : .wait(ms: ms)
    }
    go(taken.member, nowMs)
    return .goes(taken)
  }

  private mutating func go(_ member: Member, _ nowMs: Int64) {
    members[member]!.inFlight += 1
    members[member]!.usedAtMs = nowMs
    lastUsedMs = nowMs
    bounds.spend(member, places, nowMs: nowMs)
  }

  /// Why those of a member who wait do; nil when none waits.
  package func hold(of member: Member, nowMs: Int64) -> Hold? {
    guard !waiting(of: member).isEmpty else { return nil }
    return bounds.hold(member, places, nowMs)?.why ?? .places
  }

  /// One has ended and gives its place back.
  package mutating func ended(_ member: Member, nowMs: Int64) {
    precondition(inFlight(of: member) > 0, "a request ended that never left")
    members[member]!.inFlight -= 1
    members[member]!.usedAtMs = nowMs
    lastUsedMs = nowMs
  }

  /// What came of a request: a status, or nil when there was no answer. One that was given up is not told of.
  /// - Returns: What the limit was halved for, or kept at 1.
  package mutating func heard(
    _ status: Int?, by member: Member, sentAtMs: Int64, nowMs: Int64
  ) -> AdaptiveConcurrency.Trouble? {
    guard let trouble = Self.trouble(status) else {
      // A fault of its own says nothing of how many it can bear.
      guard let status, status < 500 else { return nil }
      return bounds.sights[member.view]!.adaptive.answered(sentAtMs: sentAtMs, nowMs: nowMs) ? .slower : nil
    }
    return bounds.sights[member.view]!.adaptive.failed(trouble, sentAtMs: sentAtMs, nowMs: nowMs) ? trouble : nil
  }

  /// What such an answer, or none, says of an upstream; nil for one that it can give at any time.
  package static func trouble(_ status: Int?) -> AdaptiveConcurrency.Trouble? {
    switch status {
    case 429: .tooMany
    case 502, 503, 504: .unavailable
    case nil: .noAnswer
    case .some: nil
    }
  }

  /// `Retry-After`, at most an hour.
  package mutating func pause(_ member: Member, untilMs: Int64, nowMs: Int64) {
    bounds.sights[member.view]?.pause.begin(untilMs: untilMs, nowMs: nowMs)
  }

  /// What a plugin read of its upstream's budget for an endpoint; at most an hour.
  package mutating func lower(_ member: Member, remaining: Int64, untilMs: Int64, nowMs: Int64) {
    guard members[member] != nil else { return }
    bounds.budgets[member.desk, default: UpstreamBudget()].lower(remaining: remaining, untilMs: untilMs, nowMs: nowMs)
  }

  /// One of the endpoint's requests has gone by another credential.
  package mutating func spendBudget(of member: Member, nowMs: Int64) {
    bounds.budgets[member.desk]?.spend(nowMs: nowMs)
  }

  /// What was said of an endpoint's budget before it was asked for the first time by this credential.
  package mutating func share(_ budget: UpstreamBudget, with member: Member) {
    guard members[member] != nil else { return }
    bounds.budgets[member.desk] = budget
  }
}
