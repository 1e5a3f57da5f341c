// World: somebody else's CRM, played day by day from an export or a seed. Comes in: HTTP requests, faults, edits. Goes out:
// answers, webhooks, a log of effects. It imports no room of Sluice, and reads no clock except to wait.

/// Somebody else's CRM: serves the pipeline of the current business day, takes writes, sends webhooks.
///
/// States: a day is open → `POST /control/barrier` closes it (`closing`) → the next day is open … → `finished`.
package actor SimulatedCRM {
  package struct Options: Sendable {
    package var seed: UInt64 = 1
    /// Business days per second; 0 for no limit.
    package var daysPerSecond = 0
    /// Records on a page, when the client does not ask for fewer.
    package var pageSize = 200
    /// 0 for no limit.
    package var requestsPerSecond = 0
    package var webhooks = WebhookPlan.Shares()
    package init() {}
  }

  struct Counts {
    var requests = 0
    var unauthorized = 0
    var throttled = 0
    var faulted = 0
  }

  /// How long the end of a day waits for webhooks, in seconds.
  static let webhookSecondsMax = 30.0

  let options: Options
  package nonisolated let credentials: Credentials
  package nonisolated let firstDay: BusinessDay
  package nonisolated let lastDay: BusinessDay
  let clockwork: Clockwork
  let sender: WebhookSender
  let plan: WebhookPlan
  var world: WorldState
  var log = EffectLog()
  var faults: [Fault]
  var budget: RequestBudget
  var tokens: TokenDesk
  var counts = Counts()
  var webhooks = WebhookCounts()
  var late: [BusinessDay: [Webhook]] = [:]
  var madeByKind: [String: Int] = [:]
  var closing = false
  var finished = false
  private var openedAt: Double
  /// Of the reps, each once.
  package let managers: [String]

  package init(
    pipeline: Pipeline, edits: [BusinessDay: [Edit]] = [:], faults: [Fault] = [], options: Options = Options(),
    clockwork: Clockwork, transport: any WebhookTransport
  ) async {
    self.options = options
    self.faults = faults
    self.clockwork = clockwork
    credentials = Credentials(seed: options.seed)
    let key = credentials.webhookKey
    sender = WebhookSender(transport: transport, clockwork: clockwork) { $0.headers(timestamp: $1, key: key) }
    plan = WebhookPlan(seed: options.seed, shares: options.webhooks)
    tokens = TokenDesk(seed: options.seed, credentials: credentials)
    budget = RequestBudget(perSecond: options.requestsPerSecond)
    world = WorldState(pipeline: pipeline, edits: edits)
    (firstDay, lastDay) = (world.firstDay, world.lastDay)
    managers = Set(pipeline.reps.compactMap(\.manager)).subtracting([""]).sorted()
    openedAt = clockwork.steady()
    await announce(world.openNextDay())
  }

  package nonisolated var businessDays: Int { lastDay.number - firstDay.number + 1 }

  /// Answers one request. Any path, any method, any body.
  package func answer(_ call: Call) async -> Answer {
    switch call.parts.first {
    case "api": await api(call)
    case "control": await control(call)
    case "oauth": await oauth(call)
    default: .error(404, "not_found", "this CRM has no '\(call.path)'")
    }
  }

  func isAuthorized(_ call: Call, by token: String) -> Bool {
    Digest.same(Array((call.headers["authorization"] ?? "").utf8), Array("Bearer \(token)".utf8))
  }

  /// Closes the current day and opens the next, when its webhooks were attempted and its time has come.
  func openNextDay() async {
    closing = true
    await sender.finishDay(within: Self.webhookSecondsMax)
    if world.isLastDay {
      await sendLate(upTo: .init(number: .max))
      await sender.finishDay(within: Self.webhookSecondsMax)
      finished = true
    } else {
      await waitForTheNextDay()
      openedAt = clockwork.steady()
      let changes = world.openNextDay()
      await sendLate(upTo: world.day)
      await announce(changes)
    }
    closing = false
  }

  private func waitForTheNextDay() async {
    guard options.daysPerSecond > 0 else { return }
    let left = openedAt + 1 / Double(options.daysPerSecond) - clockwork.steady()
    if left > 0 { await clockwork.pause(.seconds(left)) }
  }

  /// Sends the webhooks of these changes, as the plan of the seed has it.
  func announce(_ changes: [WorldState.Change]) async {
    var now: [Webhook] = []
    for change in changes {
      guard let webhook = plan.webhook(for: change) else { continue }
      webhooks.due += 1
      switch plan.fate(of: change.record) {
      case .onTime: now.append(webhook)
      // No day is left to be late by.
      case .late where finished: now.append(webhook)
      case .lost: webhooks.lost += 1
      case .doubled:
        webhooks.doubled += 1
        now += [webhook, webhook]
      case .late(let days):
        webhooks.late += 1
        webhooks.latePending += 1
        late[world.day.later(by: days), default: []].append(webhook)
      }
    }
    await sender.send(now)
  }

  private func sendLate(upTo day: BusinessDay) async {
    for due in late.keys.sorted() where due <= day {
      let webhooks = late.removeValue(forKey: due) ?? []
      self.webhooks.latePending -= webhooks.count
      await sender.send(webhooks)
    }
  }
}
