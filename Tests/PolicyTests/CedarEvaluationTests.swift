import CanonicalJSON
import Domain
import Policy
import Testing

@Suite struct `A Cedar condition` {
  @Test(arguments: [
    ("true", "true"), ("false", "false"), ("1", "`when` needs a boolean, not a long"),
    // Logic stops as soon as the outcome is known.
    ("true && false", "false"), ("false && 1 == 1 + true", "false"), ("true || 1", "true"),
    ("true && 1", "`&&` needs a boolean, not a long"), ("false || \"a\"", "`||` needs a boolean, not a string"),
    ("true && true && false || true", "true"), ("!false", "true"), ("!!true", "true"),
    ("!1", "`!` needs a boolean, not a long"),
    ("if true then true else 1 + true", "true"), ("if false then 1 else false", "false"),
    ("if 1 then true else false", "`if` needs a boolean, not a long"),
    ("(if true then 1 else 2) == 1", "true"),
  ])
  func `joins truths and stops early`(condition: String, outcome: String) throws {
    #expect(try World.outcome(of: condition) == outcome)
  }

  @Test(arguments: [
    ("1 == 1", "true"), ("1 == \"1\"", "false"), ("1 != \"1\"", "true"), ("[1, 2, 2] == [2, 1]", "true"),
    ("{a: 1, b: 2} == {b: 2, a: 1}", "true"), ("User::\"ann\" == principal", "true"),
    ("\"é\" == \"e\\u{301}\"", "false"), ("1 < 2", "true"), ("2 <= 2", "true"), ("1 > 2", "false"), ("2 >= 3", "false"),
    ("1 < true", "`<` needs a long, not a boolean"),
    ("\"a\" < \"b\"", "`<` needs a long, datetime or duration, not a string"),
    ("datetime(\"2024-01-01\") < datetime(\"2024-01-02\")", "true"), ("duration(\"1h\") >= duration(\"60m\")", "true"),
    ("duration(\"1h\") > 1", "`>` needs a duration, not a long"),
  ])
  func `compares`(condition: String, outcome: String) throws {
    #expect(try World.outcome(of: condition) == outcome)
  }

  @Test(arguments: [
    ("1 + 2 * 3 - 4 == 3", "true"), ("-2 - -3 == 1", "true"), ("--2 == 2", "true"),
    ("-9223372036854775808 < 0", "true"), ("9223372036854775807 + 1 == 0", "`+` goes beyond 64 bits"),
    ("-9223372036854775808 - 1 == 0", "`-` goes beyond 64 bits"),
    ("4611686018427387904 * 2 == 0", "`*` goes beyond 64 bits"),
    ("-(-9223372036854775808) == 0", "`-` goes beyond 64 bits"), ("1 + \"a\" == 2", "`+` needs a long, not a string"),
    ("-true", "`-` needs a long, not a boolean"), ("context.amount * 2 == 200", "true"),
  ])
  func `calculates in 64 bits and never wraps`(condition: String, outcome: String) throws {
    #expect(try World.outcome(of: condition) == outcome)
  }

  @Test(arguments: [
    ("principal.level == 5", "true"), ("principal[\"name\"] == \"Ann\"", "true"),
    ("principal.manager == User::\"bob\"", "true"), ("principal.address.city == \"Oslo\"", "true"),
    ("resource.owner.level == 5", "true"), ("{a: {b: 1}}.a.b == 1", "true"),
    ("principal.salary == 1", #"User::"ann" has no attribute `salary`"#),
    ("principal.manager.level == 1", #"there is no entity User::"bob""#),
    ("context.nothing", "a record has no attribute `nothing`"),
    ("1.a == 1", "`.a` needs a record or an entity, not a long"),
    ("principal has level", "true"), ("principal has salary", "false"), ("principal has \"level\"", "true"),
    ("principal.manager has level", "false"), ("context has amount", "true"), ("principal has address.city", "true"),
    ("principal has address.street", "false"), ("principal has salary.cents", "false"),
    ("resource has owner.address.city", "true"),
    ("principal has level.x", "`has` needs a record or an entity, not a long"),
    ("1 has a", "`has` needs a record or an entity, not a long"),
    ("principal.hasTag(\"region\")", "true"), ("principal.hasTag(\"x\")", "false"),
    ("principal.manager.hasTag(\"x\")", "false"), ("principal.getTag(\"region\") == \"north\"", "true"),
    ("principal.getTag(\"x\") == 1", #"User::"ann" has no tag "x""#),
    ("principal.manager.getTag(\"x\") == 1", #"there is no entity User::"bob""#),
    ("1.hasTag(\"x\")", "`hasTag` needs an entity, not a long"),
    ("principal.hasTag(1)", "`hasTag` needs a string, not a long"),
  ])
  func `reads attributes and tags`(condition: String, outcome: String) throws {
    #expect(try World.outcome(of: condition) == outcome)
  }

  @Test(arguments: [
    ("principal in principal", "true"), ("principal in Team::\"sales\"", "true"),
    ("principal in Team::\"everyone\"", "true"),
    ("principal in Team::\"other\"", "false"), ("principal in [Team::\"other\", Team::\"everyone\"]", "true"),
    ("principal in []", "false"), ("User::\"nobody\" in User::\"nobody\"", "true"),
    ("action in Action::\"read\"", "true"),
    ("principal in 1", "`in` needs an entity or a set of entities, not a long"),
    ("1 in principal", "`in` needs an entity, not a long"),
    ("principal in [principal, 1]", "`in` needs a set of entities, not a set that holds other values"),
    ("principal is User", "true"), ("principal is Team", "false"), ("principal is User in Team::\"sales\"", "true"),
    ("principal is User in [Team::\"x\"]", "false"), ("1 is User", "`is` needs an entity, not a long"),
    ("A::B::\"c\" is A::B", "true"),
  ])
  func `knows who belongs to whom`(condition: String, outcome: String) throws {
    #expect(try World.outcome(of: condition) == outcome)
  }

  @Test(arguments: [
    ("[1, 2].contains(1)", "true"), ("[1, 2].contains(\"1\")", "false"), ("[1, 2].containsAll([2, 2])", "true"),
    ("[1].containsAll([1, 2])", "false"), ("[1].containsAny([2, 1])", "true"), ("[1].containsAny([])", "false"),
    ("[].isEmpty()", "true"), ("[[]].isEmpty()", "false"), ("1.contains(1)", "`contains` needs a set, not a long"),
    ("[1].containsAll(1)", "`containsAll` needs a set, not a long"),
    ("{}.isEmpty()", "`isEmpty` needs a set, not a record"),
    ("\"renew now\" like \"renew*\"", "true"), ("context.note like \"renew\\*now\"", "true"),
    ("\"renewXnow\" like \"renew\\*now\"", "false"), ("\"abcbc\" like \"a*bc\"", "true"), ("\"\" like \"*\"", "true"),
    ("\"\" like \"\"", "true"), ("\"ab\" like \"a\"", "false"), ("1 like \"a\"", "`like` needs a string, not a long"),
    (#""a\tb\u{e9}\x41\\\"" == "a\u{9}bé\u{41}\\\"""#, "true"),
  ])
  func `searches sets and texts`(condition: String, outcome: String) throws {
    #expect(try World.outcome(of: condition) == outcome)
  }

  @Test(arguments: [
    ("decimal(\"1.5\") == decimal(\"1.5000\")", "true"), ("decimal(\"-1.0\").lessThan(decimal(\"0.0001\"))", "true"),
    ("decimal(\"1.0\").greaterThanOrEqual(decimal(\"1.0\"))", "true"),
    ("decimal(\"-922337203685477.5808\").lessThanOrEqual(decimal(\"922337203685477.5807\"))", "true"),
    ("decimal(\"922337203685477.5808\") == decimal(\"0.0\")", "the text given to `decimal` is not one"),
    ("decimal(\"1\") == decimal(\"1.0\")", "the text given to `decimal` is not one"),
    ("decimal(\"1.00000\") == decimal(\"1.0\")", "the text given to `decimal` is not one"),
    ("decimal(1) == decimal(\"1.0\")", "`decimal` needs a string, not a long"),
    ("decimal(\"1.0\").lessThan(1)", "`lessThan` needs a decimal, not a long"),
    ("decimal() == 1", "`decimal` takes 1 argument, not 0"),
    ("principal.home.isInRange(ip(\"10.0.0.0/8\"))", "true"),
    ("principal.home.isInRange(ip(\"10.2.0.0/16\"))", "false"),
    ("ip(\"10.0.0.0/8\").isInRange(ip(\"10.0.0.0/16\"))", "false"),
    ("ip(\"::1\").isInRange(ip(\"0.0.0.0/0\"))", "false"),
    ("ip(\"0.0.0.0\").isIpv4() && ip(\"::\").isIpv6()", "true"), ("ip(\"127.0.0.1\").isLoopback()", "true"),
    ("ip(\"::1\").isLoopback()", "true"), ("ip(\"127.0.0.0/7\").isLoopback()", "false"),
    ("ip(\"224.0.0.9\").isMulticast()", "true"),
    ("ip(\"ff00::2\").isMulticast()", "true"), ("ip(\"1:2:3:4:5:6:7:8\") == ip(\"1:2:3:4:5:6:7:8/128\")", "true"),
    ("ip(\"10.0.0.1/24\") == ip(\"10.0.0.0/24\")", "false"),
    ("ip(\"10.0.0.01\").isIpv4()", "the text given to `ip` is not one"),
    ("ip(\"10.0.0.1/33\").isIpv4()", "the text given to `ip` is not one"),
    ("ip(\"::ffff:1.2.3.4\").isIpv6()", "the text given to `ip` is not one"),
    ("ip(\"1::2::3\").isIpv6()", "the text given to `ip` is not one"),
    ("datetime(\"1970-01-02\").durationSince(datetime(\"1970-01-01\")) == duration(\"1d\")", "true"),
    ("datetime(\"2024-02-29T12:30:15.250+0130\") == datetime(\"2024-02-29T11:00:15.250Z\")", "true"),
    ("datetime(\"2023-02-29\") == datetime(\"2023-03-01\")", "the text given to `datetime` is not one"),
    ("datetime(\"2024-01-01T24:00:00Z\") == datetime(\"2024-01-02\")", "the text given to `datetime` is not one"),
    ("datetime(\"1969-12-31T23:00:00Z\").toDate() == datetime(\"1969-12-31\")", "true"),
    ("datetime(\"1969-12-31T23:00:00Z\").toTime() == duration(\"23h\")", "true"),
    ("datetime(\"2024-01-01\").offset(duration(\"-1ms\")) < datetime(\"2024-01-01\")", "true"),
    ("duration(\"-1d2h3m4s5ms\").toMilliseconds() == -93784005", "true"),
    ("duration(\"90s\").toMinutes() == 1", "true"),
    ("duration(\"-90s\").toMinutes() == -1", "true"),
    ("duration(\"49h\").toDays() == 2 && duration(\"49h\").toHours() == 49", "true"),
    ("duration(\"1s1m\").toSeconds() == 61", "the text given to `duration` is not one"),
    ("duration(\"\").toSeconds() == 0", "the text given to `duration` is not one"),
    ("datetime(\"2024-01-01\").offset(duration(\"9223372036854775807ms\")) == 1", "`offset` goes beyond 64 bits"),
    ("datetime(\"2024-01-01\").toDays() == 1", "`toDays` needs a duration, not a datetime"),
  ])
  func `knows decimals, addresses and times`(condition: String, outcome: String) throws {
    #expect(try World.outcome(of: condition) == outcome)
  }
}

@Suite struct `A Cedar decision` {
  @Test func `is to deny when nothing permits`() throws {
    let decision = try World.decide("")
    #expect(!decision.isAllowed && decision.reasons == [] && decision.errors == [])
  }

  @Test func `names all permits, or all forbids when one applies`() throws {
    let permits = "@id(\"p1\") permit(principal, action, resource); @id(\"p2\") permit(principal, action, resource);"
    let decision = try World.decide(permits)
    #expect(decision.isAllowed && decision.reasons == ["p1", "p2"])
    let forbidden = try World.decide(permits + "@id(\"f\") forbid(principal, action, resource) unless { false };")
    #expect(!forbidden.isAllowed && forbidden.reasons == ["f"])
  }

  @Test func `leaves out a policy that errs and reports it`() throws {
    let decision = try World.decide(
      """
      @id("broken") forbid(principal, action, resource) when { principal.salary > 10 };
      @id("fine") permit(principal, action, resource);
      """)
    #expect(decision.isAllowed && decision.reasons == ["fine"])
    #expect(decision.errors.map(\.policy) == ["broken"])
    #expect(decision.errors[0].message == #"User::"ann" has no attribute `salary`"#)
  }

  @Test(arguments: [
    ("principal == User::\"ann\", action, resource", true), ("principal == User::\"bob\", action, resource", false),
    ("principal in Team::\"everyone\", action, resource", true), ("principal is User, action, resource", true),
    ("principal is User in Team::\"sales\", action, resource", true), ("principal is Team, action, resource", false),
    ("principal, action == Action::\"view\", resource", true),
    ("principal, action in Action::\"read\", resource", true),
    ("principal, action in [Action::\"edit\", Action::\"read\"], resource", true),
    ("principal, action in [], resource", false),
    ("principal, action, resource in Team::\"sales\"", true),
    ("principal, action, resource == Account::\"acme\",", true),
    ("principal, action, resource is Account in Team::\"other\"", false),
  ])
  func `follows the head of a policy`(head: String, applies: Bool) throws {
    #expect(try World.decide("permit(\(head));").isAllowed == applies)
  }

  @Test func `joins several conditions from left to right`() throws {
    let head = "permit(principal, action, resource)"
    #expect(try World.decide("\(head) when { true } unless { false } when { 1 == 1 };").isAllowed)
    #expect(try World.decide("\(head) when { false } when { 1 + true == 2 };").errors == [])
    #expect(try World.decide("\(head) when { true } unless { 1 };").errors.count == 1)
  }
}

@Suite struct `A policy set` {
  @Test func `has a hash of its texts and names, whatever their order`() throws {
    let (a, b) = ("permit(principal, action, resource);", "forbid(principal, action, resource);")
    let set = try Cedar.PolicySet(parsing: [("a", a), ("b", b)])
    #expect(set.hash == (try Cedar.PolicySet(parsing: [("b", b), ("a", a)])).hash)
    #expect(set.hash != (try Cedar.PolicySet(parsing: [("a", b), ("b", a)])).hash)
    #expect(set.hash != (try Cedar.PolicySet(parsing: [("a", a), ("b", b + " ")])).hash)
    #expect(
      try Cedar.PolicySet(parsing: []).hash.hex == "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945")
  }

  @Test func `names its policies by annotation, by text, or by position`() throws {
    let text =
      "permit(principal, action, resource); @id(\"x\") permit(principal, action, resource); permit(principal, action, resource);"
    #expect(try Cedar.PolicySet(parsing: [("a", text)]).statements.map(\.id) == ["a", "x", "a#3"])
    let positional = try Cedar.PolicySet(parsing: [("a", text), ("b", text)], naming: .byPosition)
    #expect(positional.statements.map(\.id) == (0..<6).map { "policy\($0)" })
    #expect(throws: PolicyError.policyTwice(id: "x")) { try Cedar.PolicySet(parsing: [("a", text), ("b", text)]) }
    #expect(throws: PolicyError.sourceTwice(name: "a")) { try Cedar.PolicySet(parsing: [("a", ""), ("a", "")]) }
  }

  @Test func `keeps annotations`() throws {
    let text = "@id(\"x\") @obligation(\"require_approval\") @if permit(principal, action, resource);"
    let statement = try #require(Cedar.PolicySet(parsing: [("a", text)]).statements.first)
    #expect(statement.annotations == ["id": "x", "obligation": "require_approval", "if": ""])
    #expect(statement.effect == .permit && statement.position == SourcePosition(source: "a", line: 1, column: 1))
  }
}
