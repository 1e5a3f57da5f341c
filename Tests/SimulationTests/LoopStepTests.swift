import Domain
import Testing
import WholeLoop

@Suite struct `What follows from what is applied` {
  private func started() throws -> SimulatedHost {
    var setting = Setting(seed: 4)
    setting.crashesPerMille = 0
    let around = Surroundings(setting: setting, fault: nil)
    let people = SimulatedPeople(around, try ReviewedFiles())
    try people.setUp()
    around.crm.found()
    around.disk.journal.commit()
    let host = SimulatedHost(around)
    try host.start()
    return host
  }

  private func derived(after position: Position, _ host: SimulatedHost) -> [Entry] {
    host.disk.journal.read(after: position, countMax: .max).filter(\.kind.isDerived)
  }

  @Test func `is appended behind what was in line before it, and once, though a source never lets the line end`() throws
  {
    let host = try started()
    host.around.crm.nextDay()
    for stream in SimulatedCRM.streams { while try host.pull(stream, countMax: 1_000) {} }
    let brought = host.disk.journal.head
    for _ in 0..<30 {
      // More than one step applies.
      for _ in 0...LoopStep.groupCountMax { try host.push([0]) }
      host.disk.journal.commit()
      try host.step()
    }
    #expect(host.applied < host.disk.journal.head)
    let found = derived(after: brought, host)
    #expect(found.contains { $0.kind == .tick } && found.contains { $0.kind == .signals })
    #expect(Set(found.map(\.id)).count == found.count)
    // It is behind what came until the step that applied its cause.
    #expect(try #require(found.first).position.number <= brought.number + 3 * UInt64(LoopStep.groupCountMax + 1))
  }

  @Test func `is not appended by a host that has taken over before all is applied that the journal held then`() throws {
    let host = try started()
    host.around.crm.nextDay()
    for stream in SimulatedCRM.streams { while try host.pull(stream, countMax: 1_000) {} }
    try host.settle()
    let (head, before) = (host.disk.journal.head, derived(after: .origin, host))
    // The state's last transactions are lost; what they led to is in the journal.
    #expect(host.disk.store.fade(host.disk.store.fadingCount, losingOrder: false) > 3)
    let next = SimulatedHost(host.around)
    try next.start()
    #expect(next.applied == head && host.disk.journal.head == head && derived(after: .origin, next) == before)
    #expect(!before.isEmpty)
  }
}
