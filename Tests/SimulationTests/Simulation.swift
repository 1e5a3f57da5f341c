import CanonicalJSON
import Cryptography
import Domain
import MemoryStorage
import WholeLoop

/// What a seed decides before anything happens.
struct Setting {
  let seed: UInt64
  /// The seed of what people write in the CRM.
  var history: UInt64
  var days: Int
  var mode: TenantMode
  /// The CRM knows a key that it has seen.
  var isIdempotent: Bool
  var isReplaying: Bool
  var showsEveryVersion: Bool
  var crashesPerMille: Int
  /// People order, and approve.
  var hasPeople = true

  init(seed: UInt64) {
    let chance = Chance(seed: seed ^ 0x5E77)
    self.seed = seed
    history = UInt64(chance.below(1 << 30))
    days = chance.within(6...16)
    mode = chance.weighted([(1, .propose), (3, .act)])
    isIdempotent = chance.percent(50)
    isReplaying = chance.percent(60)
    showsEveryVersion = chance.percent(50)
    crashesPerMille = chance.weighted([(2, 0), (4, 5), (3, 20)])
  }
}

/// One tenant's whole platform, run by a seed: one thread, no clock, no disk, no network.
final class Simulation {
  let around: Surroundings
  let people: SimulatedPeople
  private(set) var host: SimulatedHost
  private var unpushed: [Int] = []
  private var announced = 0

  private var chance: Chance { around.chance }
  private var setting: Setting { around.setting }

  init(_ setting: Setting, files: ReviewedFiles, fault: Fault? = nil) {
    around = Surroundings(setting: setting, fault: fault)
    people = SimulatedPeople(around, files)
    host = SimulatedHost(around)
    around.interfere = { [people] in try people.stop() }
  }

  /// - Throws: `Violation`, or what the product throws, at the step where it shows.
  func run() throws {
    try people.setUp()
    around.disk.journal.commit()
    restart()
    around.disk.crashesPerMille = setting.crashesPerMille
    try start()
    for _ in 0..<setting.days { try day() }
    try settle()
    try Audit(self).check()
  }

  private func restart() { host = SimulatedHost(around) }

  /// Starts the host until it stands; it may die on the way.
  private func start() throws {
    while true {
      do {
        try host.start()
        return chance.percent(4) ? try Audit(self).rebuilds() : ()
      } catch is Crash { fail() }
    }
  }

  private func fail() {
    around.disk.fail(losingOrder: around.fault == .losesOrder)
    restart()
  }

  /// Does something; a host that dies of it is started again.
  private func attempt(_ deed: () throws -> Void) throws {
    do { try deed() } catch is Crash {
      fail()
      try start()
    }
  }

  // MARK: - A day

  private func day() throws {
    around.trace.note("day", "\(around.crm.today)")
    // How often people write is the history's, when they do is this run's.
    var edits = around.crm.chance.within(4...26)
    var steps = chance.within(30...90)
    while steps > 0 || edits > 0 {
      if edits > 0, chance.percent(100 * edits / max(edits + steps, 1)) {
        around.crm.edit()
        edits -= 1
      } else {
        try attempt { try step() }
        steps -= 1
      }
      around.pass(ms: Int64(chance.within(1...20_000)))
      announce()
    }
    if chance.percent(30) { around.pass(ms: Int64(chance.within(1...40)) * 3_600_000) }
    // Sources are read to their end before their day is left behind.
    around.crm.nextDay()
    for stream in chance.shuffled(SimulatedCRM.streams) where chance.percent(85) { try pullAll(stream) }
  }

  private func step() throws {
    let deeds: [(weight: Int, () throws -> Void)] = [
      (30, { try self.host.step() }), (40, { try self.host.act() }), (10, { try self.around.disk.commit() }),
      (8, { try self.host.pull(self.chance.one(of: SimulatedCRM.streams), countMax: self.chance.within(1...20)) }),
      (7, { try self.push() }), (7, { try self.host.receive() }), (5, { try self.host.publish() }),
      (setting.hasPeople ? 10 : 0, { try self.people.act(self.host) }),
      (setting.crashesPerMille > 0 ? 1 : 0, { try self.around.disk.reach("any step", weight: 1_000) }),
    ]
    try chance.weighted(deeds)()
  }

  private func pullAll(_ stream: String) throws {
    var isDone = false
    while !isDone {
      try attempt {
        while try self.host.pull(stream, countMax: self.chance.within(5...50)) {}
        isDone = true
      }
    }
  }

  // MARK: - Webhooks

  /// Deals that were written since are to be pushed, most of them.
  private func announce() {
    for offset in announced..<around.crm.log.count
    where around.crm.log[offset].stream == "opportunities" && chance.percent(60) { unpushed.append(offset) }
    announced = around.crm.log.count
  }

  /// In any order, late, and some of them twice.
  private func push() throws {
    guard !unpushed.isEmpty else { return }
    let chosen = (0..<chance.within(1...4)).map { _ in chance.one(of: unpushed) }
    if chance.percent(80) { unpushed.removeAll { chosen.contains($0) } }
    try host.push(chosen)
  }

  // MARK: - The end

  /// Lets everything end that can: nothing fails any more, and time passes until nobody waits for it.
  private func settle() throws {
    around.trace.note("settling")
    around.disk.crashesPerMille = 0
    around.isSettling = true
    around.disk.journal.commit()
    try people.releaseAll()
    around.disk.journal.commit()
    around.pass(ms: 60_000)
    try closeDays(2)
    try Audit(self).forgetsNothing()
    // Nothing new is started, so that the last day ends with everything read back.
    try people.observe()
    around.disk.journal.commit()
    try closeDays(3)
    try host.publish()
  }

  private func closeDays(_ count: Int) throws {
    for _ in 0..<count {
      for stream in SimulatedCRM.streams { while try host.pull(stream, countMax: 1_000) {} }
      try act()
      around.crm.nextDay()
    }
  }

  private func act() throws {
    for _ in 0..<20_000 {
      try host.settle()
      if try host.receive() { continue }
      let (isBusy, untilMs) = try host.act()
      if isBusy { continue }
      guard let untilMs else { return }
      around.pass(ms: max(untilMs - around.nowMs, 1))
    }
    throw Violation("everything comes to an end", "the host is still busy")
  }
}
