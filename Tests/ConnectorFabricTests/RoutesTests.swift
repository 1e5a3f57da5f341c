import CanonicalJSON
import ConnectorFabric
import Domain
import MemoryStorage
import TestKit
import Testing

/// A tenant's fabric: applies entries, and says who waits for what.
private final class Fabric {
  let store = MemoryStateStore()
  private let stage = FabricStage()
  private var journal = MemoryJournalLine()

  @discardableResult func apply(_ kind: EntryKind, _ body: JSONValue) throws -> Position {
    let entry = try journal.append(kind, body)
    _ = try store.transaction { try stage.apply(entry, to: $0) }
    return entry.position
  }

  func activate(_ kind: Activation.Kind, _ name: String, _ document: JSONValue) throws {
    let activation = Activation(
      kind: kind, name: name, hash: Digest(hex: String(repeating: "0", count: 64))!, document: document, by: nil)
    try apply(.activation, JSONValue(encoding: activation))
  }

  func enable(_ names: String..., enabled: Bool = true, kind: String = "source") throws {
    let document: JSONValue = ["settings": ["enabled": .bool(enabled)], "manifest": ["kind": .string(kind)]]
    for name in names { try activate(.instance, name, document) }
  }

  func route(_ routes: JSONValue) throws {
    let document: JSONValue = ["sluice": 1, "routes": routes]
    _ = try Routes(SourceDocument(name: Routes.name, value: document, marks: [:]))
    try activate(.routes, Routes.name, document)
  }

  @discardableResult func deliver(_ body: String, to hook: String = "billing", _ more: [String: JSONValue] = [:]) throws
    -> Position
  {
    try apply(.delivery, .object(["instance": .string(hook), "body": .string(body)].merging(more) { $1 }))
  }

  /// The positions that wait for an instance.
  func waiting(_ name: String) throws -> [Position] {
    try store.view { view in
      try FabricStage.deliveries(for: InstanceID(unchecked: name), after: .origin, countMax: 10, in: view).map(
        \.position)
    }
  }

  var letters: [String] {
    get throws {
      try store.view { try FabricStage.deadDeliveries(in: $0, countMax: 10) }.map { letter in
        "\(letter["id"]?.string ?? "") \(letter["code"]?.string ?? "") \(letter["instance"]?.string ?? "")"
      }
    }
  }

  func order(_ verb: Order.Verb, _ letter: String) throws {
    try apply(.order, JSONValue(encoding: Order(verb: verb, target: letter, argument: nil, by: nil)))
  }

  func end(_ name: String, _ position: Position, failure: String? = nil) throws {
    let assembler = IntakeAssembler(
      instance: InstanceID(unchecked: name), stream: StreamName(unchecked: "s"), origin: .delivery(position),
      random: { Array(repeating: 0, count: $0) })
    let body = try assembler.empty(failure: failure).body
    let entry = journal.append(.intake, body: body)
    _ = try store.transaction { try stage.apply(entry, to: $0) }
  }
}

@Suite struct `Routes of deliveries` {
  @Test func `lead a delivery to the receivers of every pattern that it matches, each once`() throws {
    let fabric = Fabric()
    try fabric.enable("billing", "archive", "crm")
    try fabric.route([
      ["hook": "billing", "pattern": ["body": ["type": [["prefix": "customer."]]]], "to": ["billing", "archive"]],
      [
        "hook": "billing", "pattern": ["headers": ["x-event": ["push"]], "query": ["part": ["a b"]]], "to": ["archive"],
      ],
    ])
    let customer = try fabric.deliver(#"{"type":"customer.updated"}"#)
    let push = try fabric.deliver("no JSON", ["headers": ["x-event": "push"], "query": "part=a%20b&part=c"])
    let both = try fabric.deliver(#"{"type":"customer."}"#, ["headers": ["x-event": "push"], "query": "part=a+b"])
    let other = try fabric.deliver(#"{"type":"customer.updated"}"#, to: "crm")
    #expect(try fabric.waiting("billing") == [customer, both] && fabric.waiting("archive") == [customer, push, both])
    #expect(try fabric.waiting("crm") == [other] && fabric.letters.isEmpty)
    // Each receiver is done with its own, and fails by itself.
    try fabric.end("archive", customer)
    #expect(try fabric.waiting("archive") == [push, both] && fabric.waiting("billing").first == customer)
    try fabric.end("archive", both, failure: "no")
    try fabric.end("billing", both, failure: "neither")
    let letters = try fabric.letters
    #expect(letters == ["archive", "billing"].map { "delivery-\(both.number)/\($0) fabric.delivery_failed \($0)" })
    try fabric.order(.replayDeadLetter, "delivery-\(both.number)/archive")
    #expect(try fabric.waiting("archive") == [push, both] && fabric.letters.count == 1)
    try fabric.order(.dropDeadLetter, "delivery-\(both.number)/billing")
    #expect(try fabric.letters.isEmpty)
  }

  @Test func `that do not take a delivery leave it a dead letter, counted, which later routes take`() throws {
    let fabric = Fabric()
    try fabric.enable("billing")
    try fabric.route([["hook": "billing", "pattern": ["body": ["type": ["a"]]], "to": ["billing"]]])
    let position = try fabric.deliver(#"{"type":"b"}"#)
    #expect(
      try fabric.waiting("billing").isEmpty && fabric.letters == ["delivery-\(position.number) fabric.unrouted billing"]
    )
    let untaken = try fabric.store.view { try FabricStage.untaken(position...position, in: $0) }
    #expect(untaken.map(\.why) == ["unrouted"] && untaken.map(\.instance) == ["billing"])
    try fabric.order(.replayDeadLetter, "delivery-\(position.number)")
    #expect(try fabric.letters.count == 1)
    try fabric.route([["hook": "billing", "pattern": ["body": ["type": ["b"]]], "to": ["late"]]])
    try fabric.order(.replayDeadLetter, "delivery-\(position.number)")
    #expect(try fabric.letters == ["delivery-\(position.number)/late fabric.no_receiver late"])
    try fabric.enable("late", enabled: false)
    try fabric.order(.replayDeadLetter, "delivery-\(position.number)/late")
    #expect(try fabric.letters.count == 1)
    try fabric.enable("late")
    try fabric.order(.replayDeadLetter, "delivery-\(position.number)/late")
    #expect(try fabric.letters.isEmpty && fabric.waiting("late") == [position])
    // Without routes an address is its instance's own again.
    try fabric.activate(.routes, Routes.name, .null)
    let own = try fabric.deliver("x")
    #expect(try fabric.waiting("billing") == [own])
  }

  @Test func `that lead to an executor leave a dead letter, which a source of that name takes later`() throws {
    let fabric = Fabric()
    try fabric.enable("billing")
    try fabric.enable("writer", kind: "executor")
    try fabric.route([["hook": "billing", "pattern": ["body": ["type": ["a"]]], "to": ["writer"]]])
    let position = try fabric.deliver(#"{"type":"a"}"#)
    #expect(try fabric.letters == ["delivery-\(position.number)/writer fabric.no_receiver writer"])
    try fabric.enable("writer")
    try fabric.order(.replayDeadLetter, "delivery-\(position.number)/writer")
    #expect(try fabric.letters.isEmpty && fabric.waiting("writer") == [position])
  }

  @Test func `that cost too much to match with leave a dead letter, which simpler routes take`() throws {
    let fabric = Fabric()
    try fabric.enable("billing")
    let prefixes = (0..<250).map { JSONValue.object(["prefix": .string("x\($0)")]) }
    // The bound is on all that a delivery costs, not on what one route does.
    let route: JSONValue = ["hook": "billing", "pattern": ["body": ["text": .array(prefixes)]], "to": ["billing"]]
    try fabric.route([route, route])
    let short = try fabric.deliver(#"{"text":"abc"}"#)
    let long = try fabric.deliver(#"{"text":"\#(String(repeating: "a", count: 650_000))"}"#)
    let letters = try fabric.letters
    #expect(
      letters == [
        "delivery-\(short.number) fabric.unrouted billing", "delivery-\(long.number) fabric.too_much_work billing",
      ])
    try fabric.route([["hook": "billing", "pattern": ["body": ["text": [["exists": true]]]], "to": ["billing"]]])
    try fabric.order(.replayDeadLetter, "delivery-\(long.number)")
    #expect(try fabric.waiting("billing") == [long])
  }

  @Test func `that change leave what waits to who it waits for`() throws {
    let fabric = Fabric()
    try fabric.enable("billing", "archive", "crm")
    try fabric.route([["hook": "billing", "pattern": ["body": ["type": ["a"]]], "to": ["archive"]]])
    let position = try fabric.deliver(#"{"type":"a"}"#)
    try fabric.route([["hook": "billing", "pattern": ["body": ["type": ["a"]]], "to": ["crm"]]])
    func awaited() throws -> [String] {
      try fabric.store.view { view in
        try ["archive", "billing", "crm"].filter { try FabricStage.isAwaited(InstanceID(unchecked: $0), in: view) }
      }
    }
    #expect(try awaited() == ["archive"])
    try fabric.end("archive", position)
    #expect(try awaited() == [])
  }

  @Test func `show where a letter went that was led again`() throws {
    let fabric = Fabric()
    try fabric.enable("billing", "archive")
    func whereabouts(_ letter: String) throws -> (waitsFor: [String], letters: [String]) {
      let found = try fabric.store.view { try FabricStage.whereabouts(ofLetter: letter, in: $0) }
      return (found.waitsFor.map(\.rawValue), found.letters.map { $0["id"]?.string ?? "" })
    }
    try fabric.route([["hook": "billing", "pattern": ["body": ["type": ["b"]]], "to": ["billing"]]])
    let position = try fabric.deliver(#"{"type":"a"}"#)
    let letter = "delivery-\(position.number)"
    try fabric.order(.replayDeadLetter, letter)
    #expect(try whereabouts(letter) == ([], [letter]))
    try fabric.route([["hook": "billing", "pattern": ["body": ["type": ["a"]]], "to": ["archive", "gone"]]])
    try fabric.order(.replayDeadLetter, letter)
    #expect(try whereabouts(letter) == (["archive"], [letter + "/gone"]))
    #expect(try whereabouts(letter + "/gone") == ([], [letter + "/gone"]))
    try fabric.end("archive", position)
    try fabric.order(.dropDeadLetter, letter + "/gone")
    #expect(try whereabouts(letter) == ([], []))
  }

  @Test(
    arguments: [
      (["sluice": 2], "sluice"), (["sluice": 1, "route": []], "route"),
      (["sluice": 1, "routes": [["hook": "A B", "pattern": ["a": [1]], "to": ["b"]]]], "routes[0].hook"),
      (["sluice": 1, "routes": [["hook": "a", "pattern": ["a": [1]]]]], "routes[0].to"),
      (["sluice": 1, "routes": [["hook": "a", "pattern": ["a": [1]], "to": ["b", "b"]]]], "routes[0].to[1]"),
      (["sluice": 1, "routes": [["hook": "a", "to": ["b"]]]], "routes[0].pattern"),
      (
        ["sluice": 1, "routes": [["hook": "a", "pattern": ["a": [["like": 1]]], "to": ["b"]]]], "routes[0].pattern.a[0]"
      ),
    ] as [(JSONValue, String)])
  func `are refused at the key that is wrong`(document: JSONValue, path: String) throws {
    let error = try #require(throws: DocumentError.self) {
      try Routes(SourceDocument(name: Routes.name, value: document, marks: [:]))
    }
    #expect(error.path == path)
  }
}
