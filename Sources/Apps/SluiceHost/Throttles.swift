import ConnectorFabric
import Cryptography
import Domain
import UVLoop

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
    fileprivate let sinceMs = SystemSources.monotonicMs()
    fileprivate var go: (() -> Void)?
    fileprivate var isPlaced = false
    /// How long it waited.
    fileprivate(set) var waitedMs = 0

    fileprivate init(_ pool: Pool, _ member: Throttle.Member, _ number: Int) {
      self.pool = pool
      self.member = member
      self.number = number
    }
  }

  private final class Entry {
    var throttle: Throttle
    let timer: LoopTimer
    var turns: [Int: Turn] = [:]
    /// Somebody lets the next ones go already.
    var isGoing = false

    init(_ throttle: Throttle, _ timer: LoopTimer) {
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
  private let key: [UInt8]
  private var entries: [Pool: Entry] = [:]
  private var lastNumber = 0
  /// Hints by tenant, instance and endpoint that came before the first request there.
  private var early: [[String]: (remaining: Int64, untilMs: Int64)] = [:]
  private let watch: LoopTimer
  private var isClosed = false

  init(loop: EventLoop, metrics: Metrics) {
    self.loop = loop
    self.metrics = metrics
    key = SystemSources.random(32)
    watch = LoopTimer(loop)
    watch.start(after: .seconds(1), repeats: .seconds(1)) { [weak self] in
      self?.look(nowMs: SystemSources.monotonicMs())
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
      sending.code { HMACSHA256.authenticationCode(for: $0, key: key) }.map {
        Pool.credential(origin: origin, code: $0)
      }
      ?? .open(origin: origin, tenant: route.tenant, connector: route.manifest.name)
    lastNumber += 1
    return Turn(pool, sending.member, lastNumber)
  }

  /// - Parameter go: Called when the turn has come, perhaps at once; its place is held until `end`.
  /// - Returns: False when too many of that tenant wait already.
  func take(_ turn: Turn, _ go: @escaping () -> Void) -> Bool {
    guard !isClosed else { return true }
    let (pool, now) = (turn.pool, SystemSources.monotonicMs())
    let entry = entries[pool] ?? Entry(Throttle(turn.member.limits, nowMs: now), LoopTimer(loop))
    entries[pool] = entry
    guard entry.throttle.add(turn.number, turn.member, nowMs: now) else {
      metrics.add("sluice_throttle_refused_total", 1, turn.member.labels)
      return false
    }
    if let hint = early.removeValue(forKey: [turn.member.tenant, turn.member.instance, turn.member.endpoint]),
      hint.untilMs > now
    {
      entry.throttle.lower(turn.member, remaining: hint.remaining, untilMs: hint.untilMs, nowMs: now)
    }
    turn.go = go
    entry.turns[turn.number] = turn
    proceed(pool)
    show(turn.member, pool, now)
    return true
  }

  /// The turn is over, whether it has come or not; what it held is given back. Once only.
  func end(_ turn: Turn) {
    guard let entry = entries[turn.pool] else { return }
    let now = SystemSources.monotonicMs()
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
  /// - Parameter retryAfter: The header of that name. RFC 9110, 10.2.3: seconds only; a date is left to the plugin's own
  ///   pause.
  func heard(_ turn: Turn, status: Int?, sentAtMs: Int64, retryAfter: String? = nil) {
    guard let entry = entries[turn.pool], turn.isPlaced else { return }
    let now = SystemSources.monotonicMs()
    if let trouble = entry.throttle.heard(status, by: turn.member, sentAtMs: sentAtMs, nowMs: now) {
      metrics.add(
        "sluice_throttle_halvings_total", 1, turn.member.labels + [("cause", trouble.rawValue)])
    }
    if status == 429 || status == 503, let seconds = retryAfter.flatMap(Double.init), (0...3600).contains(seconds) {
      entry.throttle.pause(
        turn.member, untilMs: now + Int64((seconds * 1000).rounded(.up)), nowMs: now)
    }
    // The limit may have grown, and somebody wait for that. Not from here, which libcurl calls.
    let pool = turn.pool
    if entry.throttle.queued > 0 { entry.timer.start(after: .zero) { [weak self] in self?.proceed(pool) } }
    show(turn.member, turn.pool, now)
  }

  /// What a plugin read of its upstream's budget: it holds back its own tenant's requests to the same address, by the
  /// credentials that it has used there, and nobody else's.
  func lower(_ route: EgressGate.Route, endpoint: String, remaining: Int64, untilMs: Int64) {
    let now = SystemSources.monotonicMs()
    var isUsed = false
    for (pool, entry) in entries {
      for member in entry.throttle.usedBy
      where member.tenant == route.tenant.rawValue && member.instance == route.instance.rawValue
        && member.endpoint == endpoint
      {
        isUsed = true
        entry.throttle.lower(member, remaining: remaining, untilMs: untilMs, nowMs: now)
        proceed(pool)
      }
    }
    // Told before anything was asked: it holds from the first request on.
    let place = [route.tenant.rawValue, route.instance.rawValue, endpoint]
    early[place] = isUsed ? nil : (remaining, untilMs)
  }

  /// Lets go whose turn it is, and looks again when the next one's may have come.
  private func proceed(_ pool: Pool) {
    guard let entry = entries[pool], !entry.isGoing else { return }
    entry.isGoing = true
    defer { entry.isGoing = false }
    // Whoever goes may end at once, and even close all of this.
    while !isClosed {
      let now = SystemSources.monotonicMs()
      switch entry.throttle.next(nowMs: now) {
      case .goes(let waiting):
        let turn = entry.turns.removeValue(forKey: waiting.number)!
        turn.isPlaced = true
        waited(turn, now)
        let go = turn.go
        turn.go = nil
        show(turn.member, pool, now)
        go?()
      case .wait(let ms): return entry.timer.start(after: .milliseconds(ms)) { [weak self] in self?.proceed(pool) }
      case .nobody: return entry.timer.stop()
      }
    }
  }

  private func waited(_ turn: Turn, _ nowMs: Int64) {
    turn.waitedMs = Int(nowMs - turn.sinceMs)
    metrics.wait(.throttled, instance: "\(turn.member.tenant)/\(turn.member.instance)", ms: turn.waitedMs)
  }

  /// Shows why those who wait do, which changes by itself, and frees what nobody has used for an hour.
  func look(nowMs: Int64) {
    for (pool, entry) in entries {
      if entry.throttle.queued > 0 { for member in entry.throttle.usedBy { show(member, pool, nowMs) } }
      guard entry.throttle.isForgotten(nowMs: nowMs) else { continue }
      entry.close()
      entries[pool] = nil
      for member in entry.throttle.usedBy { metrics.show(nil, of: member) }
    }
  }

  private func show(_ member: Throttle.Member, _ pool: Pool, _ nowMs: Int64) {
    guard let throttle = entries[pool]?.throttle else { return }
    // An instance that was enabled again with other limits is two members for a while, and one edge.
    let alike = throttle.usedBy.filter {
      $0.tenant == member.tenant && $0.instance == member.instance && $0.endpoint == member.endpoint
        && $0.slot == member.slot
    }
    let waiting = alike.flatMap { throttle.waiting(of: $0) }
    let oldest = waiting.min { $0.sinceMs < $1.sinceMs }
    metrics.show(
      Metrics.Edge(
        limit: throttle.limit(of: member), inFlight: alike.reduce(0) { $0 + throttle.inFlight(of: $1) },
        queued: waiting.count,
        oldestWaitAtMs: oldest.map { SystemSources.wallClockMs() - (nowMs - $0.sinceMs) },
        hold: oldest.flatMap { throttle.hold(of: $0.member, nowMs: nowMs) }),
      of: member)
  }
}

extension Throttle.Member {
  var labels: [(String, String)] { [("instance", "\(tenant)/\(instance)"), ("endpoint", endpoint), ("slot", slot)] }
}
