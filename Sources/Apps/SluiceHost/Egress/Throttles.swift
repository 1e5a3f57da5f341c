import ConnectorFabric
import Cryptography
import Domain
import UVLoop
import Vault

/// The throttles of the whole host: one for each credential at each upstream, made when first needed and forgotten an hour
/// after the last request. Whose turn it is, goes; what can be seen of it is counted.
///
/// Confined to the loop's thread.
final class Throttles {
  /// What is shared. The credential is known by a code under a key that only this process has: the secret itself is kept
  /// by the vault alone.
  enum Pool: Hashable {
    case credential(origin: String, code: Digest)
    /// Without a credential nothing says that two tenants are one to the upstream.
    case open(origin: String, tenant: TenantID, connector: String)
  }

  /// One request's turn: it waits, then goes, then ends. A request that is sent again takes a new one.
  final class Turn {
    let pool: Pool
    let member: Throttle.Member
    fileprivate let number: Int
    fileprivate let sinceMs: Int64
    fileprivate var go: (() -> Void)?
    fileprivate var isPlaced = false
    fileprivate var wait: Metrics.Wait?
    /// How long it waited.
    fileprivate(set) var waitedMs = 0

    fileprivate init(_ pool: Pool, _ member: Throttle.Member, _ number: Int, sinceMs: Int64) {
      self.sinceMs = sinceMs
      self.pool = pool
      self.member = member
      self.number = number
    }
  }

  private final class Entry {
    var throttle: Throttle
    let timer: any HostTimer
    var turns: [Int: Turn] = [:]
    /// Whose edges can be seen.
    var shown: Set<Throttle.Member> = []
    /// Somebody lets the next ones go already.
    var isGoing = false

    init(_ throttle: Throttle, _ timer: any HostTimer) {
      self.throttle = throttle
      self.timer = timer
    }

    func close() {
      timer.close()
      for turn in turns.values { turn.go = nil }
    }
  }

  private let loop: EventLoop
  private let metrics: Metrics
  private let clock: any HostClock
  private let key: [UInt8]
  private var entries: [Pool: Entry] = [:]
  private var lastNumber = 0
  fileprivate struct Place: Hashable { let tenant, instance, endpoint: String }
  /// What a plugin said last of an endpoint's budget: it holds for all credentials together, also for those that are used
  /// there later.
  private var told: [Place: (budget: UpstreamBudget, pools: Set<Pool>)] = [:]
  private let watch: LoopTimer
  private var isClosed = false

  init(loop: EventLoop, metrics: Metrics, clock: any HostClock = SystemClock()) {
    self.loop = loop
    self.clock = clock
    self.metrics = metrics
    key = SystemSources.random(32)
    watch = LoopTimer(loop)
    watch.start(after: .seconds(1), repeats: .seconds(1)) { [weak self] in
      self?.look(nowMs: clock.monotonicMs())
    }
  }

  /// Nobody who waits is told any more.
  func close() {
    isClosed = true
    watch.close()
    for entry in entries.values { entry.close() }
    entries = [:]
  }

  var poolCount: Int { entries.count }

  /// A turn for one request, to be taken.
  func turn(for sending: Sending) -> Turn {
    let (route, origin) = (sending.route, sending.origin)
    let pool =
      sending.code(code).map { Pool.credential(origin: origin, code: $0) }
      ?? .open(origin: origin, tenant: route.tenant, connector: route.manifest.name)
    return turn(pool, sending.member)
  }

  /// The turn of a request for a slot's access token: at the token endpoint's upstream, which may be the one that the
  /// token is for.
  func turn(for need: AccessTokens.Need) -> Turn {
    turn(.credential(origin: need.target.origin, code: need.secret.reveal(code)), need.member)
  }

  private func code(_ bytes: [UInt8]) -> Digest { HMACSHA256.authenticationCode(for: bytes, key: key) }

  func turn(_ pool: Pool, _ member: Throttle.Member) -> Turn {
    lastNumber += 1
    return Turn(pool, member, lastNumber, sinceMs: clock.monotonicMs())
  }

  /// - Parameter go: Called when the turn has come, perhaps at once; its place is held until `end`.
  /// - Returns: False when too many of that tenant wait already.
  func take(_ turn: Turn, _ go: @escaping () -> Void) -> Bool {
    guard !isClosed else { return true }
    let (pool, now) = (turn.pool, clock.monotonicMs())
    let entry = entries[pool] ?? Entry(Throttle(turn.member.limits, nowMs: now), clock.timer(loop))
    entries[pool] = entry
    guard entry.throttle.add(turn.number, turn.member, nowMs: now) else {
      metrics.add("sluice_throttle_refused_total", 1, turn.member.labels)
      return false
    }
    let place = turn.member.place
    if let hint = told[place], !hint.pools.contains(pool) {
      entry.throttle.share(hint.budget, with: turn.member)
      told[place]!.pools.insert(pool)
    }
    turn.go = go
    // Who waits for a token is counted as that.
    if !turn.member.isToken { turn.wait = metrics.wait(.throttled, at: turn.member) }
    entry.turns[turn.number] = turn
    entry.shown.insert(turn.member)
    proceed(pool)
    show(turn.member, pool, now)
    return true
  }

  /// The turn is over, whether it has come or not; what it held is given back. Once only.
  func end(_ turn: Turn) {
    guard let entry = entries[turn.pool] else { return }
    let now = clock.monotonicMs()
    if turn.isPlaced {
      turn.isPlaced = false
      entry.throttle.ended(turn.member, nowMs: now)
    } else {
      guard entry.turns.removeValue(forKey: turn.number) != nil else { return }
      entry.throttle.remove(turn.number)
      turn.go = nil
      waited(turn, now)
    }
    proceed(turn.pool)
    show(turn.member, turn.pool, now)
  }

  /// What came of the request that has this turn: a status, or nil when there was no answer.
  /// - Parameter pauseMs: What its `Retry-After` asks for.
  func heard(_ turn: Turn, status: Int?, sentAtMs: Int64, pauseMs: Int64? = nil) {
    guard let entry = entries[turn.pool], turn.isPlaced else { return }
    let now = clock.monotonicMs()
    // How long a token takes to be made says nothing of how long answers take.
    let isMute = turn.member.isToken && Throttle.trouble(status) == nil
    if !isMute, let trouble = entry.throttle.heard(status, by: turn.member, sentAtMs: sentAtMs, nowMs: now) {
      metrics.add(
        "sluice_throttle_halvings_total", 1, turn.member.labels + [("cause", trouble.rawValue)])
    }
    if status == 429 || status == 503, let pauseMs {
      entry.throttle.pause(turn.member, untilMs: now + pauseMs, nowMs: now)
    }
    // The limit may have grown, and somebody wait for that. Not from here, which libcurl calls.
    let pool = turn.pool
    if entry.throttle.queued > 0 { entry.timer.start(afterMs: 0) { [weak self] in self?.proceed(pool) } }
    show(turn.member, turn.pool, now)
  }

  /// What a plugin read of its upstream's budget for an endpoint: it holds back its own tenant's requests there, by the
  /// credentials that it uses, and nobody else's.
  func lower(_ route: EgressGate.Route, endpoint: String, remaining: Int64, untilMs: Int64) {
    let now = clock.monotonicMs()
    let place = Place(tenant: route.tenant.rawValue, instance: route.instance.rawValue, endpoint: endpoint)
    var pools: Set<Pool> = []
    for (pool, entry) in entries {
      for member in entry.throttle.usedBy where member.place == place {
        pools.insert(pool)
        entry.throttle.lower(member, remaining: remaining, untilMs: untilMs, nowMs: now)
      }
    }
    // Told before anything was asked, it holds from the first request on.
    var budget = told[place]?.budget ?? UpstreamBudget()
    budget.lower(remaining: remaining, untilMs: untilMs, nowMs: now)
    told[place] = budget.holds(nowMs: now) ? (budget, pools) : nil
    for pool in pools { proceed(pool) }
  }

  /// One request of an endpoint has gone: it is one less by every credential.
  private func spend(_ member: Throttle.Member, by pool: Pool, nowMs: Int64) {
    guard let hint = told[member.place] else { return }
    told[member.place]!.budget.spend(nowMs: nowMs)
    for other in hint.pools where other != pool {
      guard let entry = entries[other], let alike = entry.throttle.usedBy.first(where: { $0.place == member.place })
      else { continue }
      entry.throttle.spendBudget(of: alike, nowMs: nowMs)
    }
  }

  /// Lets go whose turn it is, and looks again when the next one's may have come.
  private func proceed(_ pool: Pool) {
    guard let entry = entries[pool], !entry.isGoing else { return }
    entry.isGoing = true
    defer { entry.isGoing = false }
    // Whoever goes may end at once, and even close all of this.
    while !isClosed {
      let now = clock.monotonicMs()
      switch entry.throttle.next(nowMs: now) {
      case .goes(let waiting):
        let turn = entry.turns.removeValue(forKey: waiting.number)!
        turn.isPlaced = true
        spend(turn.member, by: pool, nowMs: now)
        waited(turn, now)
        let go = turn.go
        turn.go = nil
        show(turn.member, pool, now)
        go?()
      case .wait(let ms): return entry.timer.start(afterMs: ms) { [weak self] in self?.proceed(pool) }
      case .nobody: return entry.timer.stop()
      }
    }
  }

  private func waited(_ turn: Turn, _ nowMs: Int64) {
    turn.waitedMs = Int(nowMs - turn.sinceMs)
    turn.wait?.end()
    turn.wait = nil
  }

  /// An instance asks nothing any more: what was seen of it goes at once. What its upstream said holds on, for whoever
  /// asks there next.
  func leave(_ route: EgressGate.Route) {
    for entry in entries.values {
      for member in entry.shown
      where member.tenant == route.tenant.rawValue && member.instance == route.instance.rawValue {
        hide(member, entry)
      }
    }
  }

  private func hide(_ member: Throttle.Member, _ entry: Entry) {
    entry.shown.remove(member)
    let isShown = entries.values.contains { $0.shown.contains { $0.labelled == member.labelled } }
    if !isShown { metrics.show(nil, of: member) }
  }

  /// Shows why those who wait do, which changes by itself, hides who is forgotten, and frees what nobody has used for an
  /// hour.
  func look(nowMs: Int64) {
    told = told.filter { $0.value.budget.holds(nowMs: nowMs) }
    for (pool, entry) in entries {
      if entry.throttle.queued > 0 { for member in entry.shown { show(member, pool, nowMs) } }
      let isForgotten = entry.throttle.isForgotten(nowMs: nowMs)
      let known = isForgotten ? [] : Set(entry.throttle.usedBy)
      for member in entry.shown.subtracting(known) { hide(member, entry) }
      guard isForgotten else { continue }
      entry.close()
      entries[pool] = nil
    }
  }

  private func show(_ member: Throttle.Member, _ pool: Pool, _ nowMs: Int64) {
    guard let entry = entries[pool], entry.shown.contains(member) else { return }
    let throttle = entry.throttle
    // An instance that was enabled again with other limits is two members for a while, and one edge.
    let alike = throttle.usedBy.filter { $0.labelled == member.labelled }
    let waiting = alike.flatMap { throttle.waiting(of: $0) }
    let oldest = waiting.min { $0.sinceMs < $1.sinceMs }
    metrics.show(
      Metrics.Edge(
        limit: throttle.limit(of: member), inFlight: alike.reduce(0) { $0 + throttle.inFlight(of: $1) },
        queued: waiting.count,
        oldestWaitAtMs: oldest.map { clock.wallMs() - (nowMs - $0.sinceMs) },
        hold: oldest.flatMap { throttle.hold(of: $0.member, nowMs: nowMs) }),
      of: member)
  }
}

extension Throttle.Member {
  var key: String { "\(tenant)/\(instance)" }
  var labels: [(String, String)] { [("instance", key), ("endpoint", endpoint), ("slot", slot)] }
  /// What its edge is told apart by.
  fileprivate var labelled: [String] { [tenant, instance, endpoint, slot] }
  fileprivate var place: Throttles.Place { Throttles.Place(tenant: tenant, instance: instance, endpoint: endpoint) }
}
