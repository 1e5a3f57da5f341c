import CanonicalJSON
import Domain
import Policy
import Testing

private let schemaText = #"""
  type Money = { cents: Long, currency: String };
  @doc("people")
  entity User in [Team] = { level: Long, manager?: User, home?: ipaddr } tags String;
  entity Team;
  entity Account in Team = { owner: User, value: Money, limit?: decimal, renewal?: datetime, aliases: Set<User> };
  entity Stage enum ["open", "won"];
  action read;
  action view, "edit it" in [read] appliesTo {
    principal: User, resource: [Account], context: { reason?: String, cost: __cedar::Long, window?: duration },
  };
  namespace Sluice {
    type Level = Long;
    entity Agent = { level: Level };
    action run in [Action::"group"] appliesTo { principal: Agent, resource: Account };
    action group;
  }
  """#

@Suite struct `Entities` {
  private func entities(_ json: String, schema: Cedar.Schema? = nil) throws -> Cedar.Entities {
    try Cedar.Entities(json: JSONValue(parsing: json), schema: schema)
  }

  @Test(arguments: [
    (#"{}"#, PolicyError.valueInvalid(path: "entities", reason: "they must be an array, not an object")),
    (#"[1]"#, .valueInvalid(path: "entities[0]", reason: "an entity must be an object, not an integer")),
    (
      #"[{"uid": {"type": "U", "id": "a"}, "attr": {}}]"#,
      .valueInvalid(path: "entities[0]", reason: "an entity has no member \"attr\"")
    ),
    (
      #"[{"uid": "a"}]"#,
      .valueInvalid(path: "entities[0].uid", reason: #"an entity's name must be {"type": …, "id": …}"#)
    ),
    (
      #"[{"uid": {"type": "U:V", "id": "a"}}]"#,
      .valueInvalid(path: "entities[0].uid", reason: "\"U:V\" is no name of an entity type")
    ),
    (
      #"[{"uid": {"type": "U", "id": "a"}, "attrs": {"x": {"y": null}}}]"#,
      .valueInvalid(path: "entities[0].attrs.x.y", reason: "Cedar has no null; leave the member out")
    ),
    (
      #"[{"uid": {"type": "U", "id": "a"}, "attrs": {"x": [1.5]}}]"#,
      .valueInvalid(path: "entities[0].attrs.x[0]", reason: "Cedar has no fractions; write a decimal")
    ),
    (
      #"[{"uid": {"type": "U", "id": "a"}, "attrs": {"x": {"__extn": {"fn": "ip", "arg": "x"}}}}]"#,
      .valueInvalid(path: "entities[0].attrs.x", reason: "the text given to `ip` is not one")
    ),
    (
      #"[{"uid": {"type": "U", "id": "a"}, "attrs": {"x": {"__expr": "1"}}}]"#,
      .valueInvalid(path: "entities[0].attrs.x", reason: "`__expr` is not supported")
    ),
    (#"[{"uid": {"type": "U", "id": "a"}}, {"uid": {"type": "U", "id": "a"}}]"#, .entityTwice(#"U::"a""#)),
    (#"[{"uid": {"type": "U", "id": "a"}, "parents": [{"type": "U", "id": "a"}]}]"#, .entityCycle(#"U::"a""#)),
  ])
  func `that are malformed are refused by path`(json: String, error: PolicyError) throws {
    #expect(throws: error) { try entities(json) }
  }

  @Test func `in a cycle are refused, in a diamond or a long chain are not`() throws {
    func entity(_ id: Int, _ parents: [Int]) -> Cedar.Entity {
      Cedar.Entity(
        uid: Cedar.EntityUID(type: "N", id: "\(id)"),
        parents: Set(parents.map { Cedar.EntityUID(type: "N", id: "\($0)") }))
    }
    for _ in 0..<20 {
      // 0 and 1 lead to the cycle of 2, 3 and 4, and are not named.
      #expect(throws: PolicyError.entityCycle(#"N::"2""#)) {
        try Cedar.Entities([
          entity(0, [1]), entity(1, [3, 9]), entity(2, [3]), entity(3, [4]), entity(4, [2, 9]), entity(9, []),
        ])
      }
    }
    #expect(try Cedar.Entities([entity(1, [2, 3]), entity(2, [4]), entity(3, [4]), entity(4, [])]).count == 4)
    let chain = try Cedar.Entities((0..<600).map { entity($0, [$0 + 1]) })
    let set = try Cedar.PolicySet(parsing: [("p", #"permit(principal in N::"600", action, resource);"#)])
    let zero = Cedar.EntityUID(type: "N", id: "0")
    #expect(set.decide(Cedar.Request(principal: zero, action: zero, resource: zero), chain).isAllowed)
  }

  @Test func `are read by their schema's types, without escapes`() throws {
    let schema = try Cedar.Schema(parsing: schemaText)
    let json = #"""
      [{"uid": {"type": "User", "id": "ann"}, "attrs": {"level": 1, "manager": {"type": "User", "id": "bob"}, "home": "10.0.0.1"},
        "tags": {"region": "north"}},
       {"uid": {"type": "Account", "id": "acme"}, "attrs": {"owner": {"__entity": {"type": "User", "id": "ann"}},
        "value": {"cents": 1, "currency": "EUR"}, "limit": {"fn": "decimal", "arg": "1.0"}, "renewal": "2024-01-01",
        "aliases": [{"type": "User", "id": "bob"}]}}]
      """#
    let typed = try entities(json, schema: schema)
    let account = try #require(typed[Cedar.EntityUID(type: "Account", id: "acme")])
    #expect(account.attributes["aliases"] == .set([.entity(Cedar.EntityUID(type: "User", id: "bob"))]))
    #expect(account.attributes["renewal"] == .datetime(1_704_067_200_000))
    #expect(account.attributes["limit"] == .decimal(Cedar.Decimal(tenThousandths: 10_000)))
    #expect(account.attributes["value"] == .record(["cents": .long(1), "currency": .string("EUR")]))
    let ann = try #require(typed[Cedar.EntityUID(type: "User", id: "ann")])
    #expect(ann.attributes["home"] == .ip(try #require(Cedar.IPAddress("10.0.0.1"))))
    #expect(
      typed[Cedar.EntityUID(type: "Action", id: "edit it")]?.parents == [Cedar.EntityUID(type: "Action", id: "read")])
    // Without the schema the same text is records and strings.
    let plain = try #require(entities(json)[Cedar.EntityUID(type: "User", id: "ann")])
    #expect(plain.attributes["home"] == .string("10.0.0.1"))
    #expect(plain.attributes["manager"] == .record(["type": .string("User"), "id": .string("bob")]))
  }
}

@Suite struct `A schema` {
  @Test(arguments: [
    (
      "entity A = { x: Nope };",
      PolicyError.typeUnknown(SourcePosition(source: "schema", line: 1, column: 17), name: "Nope")
    ),
    (
      "type A = B;\ntype B = A;\nentity E = { a: A };",
      .typeCycle(SourcePosition(source: "schema", line: 2, column: 10), name: "A")
    ),
    (
      "entity A; entity A;",
      .nameTwice(SourcePosition(source: "schema", line: 1, column: 11), what: "entity type", name: "A")
    ),
    (
      "action a appliesTo { principal: X };",
      .typeUnknown(SourcePosition(source: "schema", line: 1, column: 33), name: "X")
    ),
    (
      "entity A = { x: Long, x: Long };",
      .nameTwice(SourcePosition(source: "schema", line: 1, column: 23), what: "attribute", name: "x")
    ),
    (
      "action a attributes { x: Long };",
      .unsupported(SourcePosition(source: "schema", line: 1, column: 10), construct: "an action's `attributes`")
    ),
    (
      "policy a;",
      .syntax(
        SourcePosition(source: "schema", line: 1, column: 1), found: "`policy`",
        expected: "`entity`, `action` or `type`")
    ),
  ])
  func `that is wrong is refused by name and position`(text: String, error: PolicyError) {
    #expect(throws: error) { try Cedar.Schema(parsing: text) }
  }

  private func codes(_ policy: String) throws -> [String] {
    let set = try Cedar.PolicySet(parsing: [("p", policy)])
    return set.validate(against: try Cedar.Schema(parsing: schemaText)).map(\.code)
  }

  @Test(arguments: [
    (
      #"permit(principal, action == Action::"view", resource) when { principal.manager.level > 3 && context.cost < 5 };"#,
      []
    ),
    (
      #"permit(principal is Sluice::Agent, action in Sluice::Action::"group", resource) when { principal.level > 1 };"#,
      []
    ),
    (#"permit(principal, action in Action::"read", resource in Team::"x") when { resource.value.cents > 1 };"#, []),
    (#"permit(principal, action, resource) when { resource.owner.getTag("a") == "b" || resource has limit };"#, []),
    (#"permit(principal == Usr::"a", action, resource);"#, ["policy.unknown_entity_type"]),
    (#"permit(principal, action, resource) when { resource is Acount };"#, ["policy.unknown_entity_type"]),
    (#"permit(principal, action == Action::"veiw", resource);"#, ["policy.unknown_action"]),
    (#"permit(principal, action, resource) when { Stage::"lost" == resource };"#, ["policy.unknown_entity_id"]),
    (#"permit(principal, action, resource) when { principal.levle > 3 };"#, ["policy.unknown_attribute"]),
    (#"permit(principal, action, resource) when { resource has owner.mangaer };"#, ["policy.unknown_attribute"]),
    (
      #"permit(principal, action == Action::"view", resource) when { context.costs > 3 };"#,
      ["policy.unknown_attribute"]
    ),
    (
      #"permit(principal, action, resource) when { [resource.value.euros].contains(1) };"#, ["policy.unknown_attribute"]
    ),
    (#"permit(principal is Team, action, resource);"#, ["policy.never_applies"]),
    (#"permit(principal, action == Action::"read", resource);"#, ["policy.never_applies"]),
  ])
  func `finds the names that a policy mistook`(policy: String, expected: [String]) throws {
    #expect(try codes(policy) == expected)
  }
}

@Suite struct `Cedar's JSON` {
  @Test func `has integers of 64 bits`() throws {
    let read = try Cedar.readJSON(
      Array(#"[9223372036854775807, -9223372036854775808, 1.5, "\u00e9\ud83d\ude00\n", {}, []]"#.utf8), what: "test")
    #expect(read == [.integer(.max), .integer(.min), .double(1.5), "é😀\n", [:], []])
  }

  @Test(arguments: [
    "", "[", "[1,]", "{\"a\":1,\"a\":2}", "{\"a\" 1}", "01", "9223372036854775808", "nul", "\"\\ud800\"", "\"\\u12\"",
    "\"\\u+123\"",
    "\"\\", "1 2", "{1:2}", "\"\u{1}\"", "NaN", "inf", "0x10", "{\"é\":1,\"e\u{301}\":2}",
  ])
  func `that is malformed is refused`(text: String) {
    #expect(throws: PolicyError.self) { try Cedar.readJSON(Array(text.utf8), what: "test") }
  }

  @Test func `that nests 100,000 deep is refused`() {
    #expect(throws: PolicyError.self) {
      try Cedar.readJSON([UInt8](repeating: UInt8(ascii: "["), count: 100_000), what: "test")
    }
  }

  @Test func `a corpus run tells agreement, disagreement and what is unsupported apart`() throws {
    let test = #"""
      {"policies": "p", "entities": "e", "schema": "s", "requests": [
        {"principal": {"type": "U", "id": "a"}, "action": {"type": "Action", "id": "v"}, "resource": {"type": "U", "id": "a"},
         "context": {}, "decision": "allow", "reason": ["policy0"], "errors": []}]}
      """#
    var run = Cedar.CorpusRun()
    for policy in [
      "permit(principal, action, resource);", "forbid(principal, action, resource);",
      "permit(principal == ?principal, action, resource);", "permit(;",
    ] {
      let files = ["p": policy, "e": "[]", "s": "entity U;"]
      run.run(name: "t", test: Array(test.utf8)) { files[$0].map { Array($0.utf8) } }
    }
    #expect(run.summary == "1 passed, 2 failed, 1 unsupported")
    #expect(run.unsupported == ["the template slot `?principal`": 1] && run.failures.count == 2)
  }
}
