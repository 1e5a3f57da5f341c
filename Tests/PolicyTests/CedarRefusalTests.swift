import CanonicalJSON
import Domain
import Foundation
import Policy
import Synchronization
import Testing

private func at(_ line: Int, _ column: Int) -> SourcePosition {
  SourcePosition(source: "p", line: line, column: column)
}
private func condition(_ text: String) -> String { "permit(principal, action, resource)\nwhen { \(text) };" }

@Suite struct `A policy that is not understood` {
  @Test(arguments: [
    (
      "permit(principal, action, resource)",
      PolicyError.syntax(at(1, 36), found: "the end of the text", expected: "`;`")
    ),
    ("allow(principal, action, resource);", .syntax(at(1, 1), found: "`allow`", expected: "`permit` or `forbid`")),
    ("permit(principal, resource, action);", .syntax(at(1, 19), found: "`resource`", expected: "`action`")),
    ("permit(principal = User::\"a\", action, resource);", .syntax(at(1, 18), found: "`=`", expected: "`,`")),
    (
      "permit(principal == ?principal, action, resource);",
      .unsupported(at(1, 21), construct: "the template slot `?principal`")
    ),
    ("permit(principal, action is Action, resource);", .unsupported(at(1, 26), construct: "`action is`")),
    (
      "permit(principal, action == User::\"a\", resource);",
      .syntax(at(1, 29), found: "User::\"a\"", expected: "an entity of type `Action`")
    ),
    (
      "permit(principal == if::\"a\", action, resource);",
      .syntax(at(1, 21), found: "`if`", expected: "an entity such as `User::\"ann\"`")
    ),
    ("@a @a permit(principal, action, resource);", .nameTwice(at(1, 4), what: "annotation", name: "a")),
    ("permit(principal, action, resource) when { };", .syntax(at(1, 44), found: "`}`", expected: "a condition")),
    ("// é\n  # x", .syntax(at(2, 3), found: "`#`", expected: "a name, a literal or an operator")),
    (
      "permit(principal, action, resource) when { \"a };",
      .syntax(at(1, 44), found: "a string that is not closed", expected: "a closing quotation mark")
    ),
    (condition("1 / 2 == 1"), .unsupported(at(2, 10), construct: "the operator `/`")),
    (condition("1 % 2 == 1"), .unsupported(at(2, 10), construct: "the operator `%`")),
    (
      condition("1 < 2 < 3"),
      .syntax(at(2, 14), found: "a second comparison", expected: "parentheses around one of them")
    ),
    (
      condition("a = 1"),
      .syntax(at(2, 8), found: "`a`", expected: "an expression (a name alone is neither a variable nor an entity)")
    ),
    (condition("context.a = 1"), .syntax(at(2, 18), found: "`=`", expected: "`==`")),
    (condition("9223372036854775808 > 0"), .integerOutOfRange(at(2, 8), literal: "9223372036854775808")),
    (condition("-9223372036854775809 > 0"), .integerOutOfRange(at(2, 8), literal: "-9223372036854775809")),
    (condition("!!!!!true"), .syntax(at(2, 8), found: "5 of `!`", expected: "at most 4 in a row")),
    (condition("{a: 1, \"a\": 2} == {}"), .nameTwice(at(2, 15), what: "key", name: "a")),
    (condition("[1].size() == 1"), .unknownFunction(at(2, 12), name: "size")),
    (condition("[1].ip() == 1"), .unknownFunction(at(2, 12), name: "ip")),
    (condition("money(\"1\") == 1"), .unknownFunction(at(2, 8), name: "money")),
    (condition("isIpv4(ip(\"::\"))"), .unknownFunction(at(2, 8), name: "isIpv4")),
    (condition("[1].contains()"), .wrongArgumentCount(at(2, 12), function: "contains", expected: 1, found: 0)),
    (condition("[1].isEmpty(1)"), .wrongArgumentCount(at(2, 12), function: "isEmpty", expected: 0, found: 1)),
    (condition("\"\\q\" == \"\""), .escapeInvalid(at(2, 8), escape: "\\q")),
    (condition("\"\\*\" == \"\""), .escapeInvalid(at(2, 8), escape: "\\*")),
    (condition("\"\\u{d800}\" == \"\""), .escapeInvalid(at(2, 8), escape: "\\u{d800")),
    (
      condition("\"a\" like principal.name"),
      .syntax(at(2, 17), found: "`principal`", expected: "a pattern in quotation marks")
    ),
    (condition("principal has if"), .syntax(at(2, 22), found: "`if`", expected: "an attribute's name")),
    (condition("User::{id: 1} == principal"), .unsupported(at(2, 8), construct: "an entity written with a record")),
    (condition("principal == ?resource"), .unsupported(at(2, 21), construct: "the template slot `?resource`")),
    (condition("true) || (true"), .syntax(at(2, 12), found: "`)`", expected: "`}`")),
  ])
  func `is refused by name and position`(text: String, error: PolicyError) throws {
    #expect(throws: error) { try Cedar.PolicySet(parsing: [("p", text)]) }
  }

  @Test(arguments: [
    "(", "!(", "[", "-(", "{a: ", "if true then true else ", "principal.getTag(", "true && (", "1 + (", "ip(",
  ])
  func `and nests too deeply is refused before the stack ends`(opening: String) throws {
    let text = condition(String(repeating: opening, count: 40_000))
    #expect {
      try Cedar.PolicySet(parsing: [("p", text)])
    } throws: { error in
      if case PolicyError.tooDeep(_, limit: 64) = error { true } else { false }
    }
  }

  @Test func `but nests as deeply as allowed is evaluated on a stack of two mebibytes`() throws {
    let texts = [
      ("(", ")"), ("if true then ", " else false"), ("true && (1 == 1 && (", "))"), ("[", "].contains(true)"),
    ]
    .map { opening, closing in
      let count = opening.hasSuffix("&& (") ? 31 : 62
      return String(repeating: opening, count: count) + "true" + String(repeating: closing, count: count)
    }
    let done = DispatchSemaphore(value: 0)
    let outcomes = Mutex<[String]>([])
    let thread = Thread {
      for text in texts {
        let outcome = (try? World.outcome(of: text)) ?? "refused"
        outcomes.withLock { $0.append(outcome) }
      }
      done.signal()
    }
    thread.stackSize = 1 << 21
    thread.start()
    done.wait()
    #expect(outcomes.withLock { $0 } == ["true", "true", "true", "true"])
  }

  @Test func `but is merely long is read and evaluated`() throws {
    for text in [
      "true" + String(repeating: " && true", count: 50_000), "false" + String(repeating: " || true", count: 50_000),
      "1" + String(repeating: " + 1", count: 50_000) + " == 50001",
      "{a: 1}" + String(repeating: "[\"a\"]", count: 1) + " == 1",
      "[" + String(repeating: "1, ", count: 50_000) + "] == [1]",
    ] { #expect(try World.outcome(of: text) == "true") }
    let chain = "principal has a" + String(repeating: ".a", count: 50_000)
    #expect(try World.outcome(of: chain) == "false")
    #expect(try World.outcome(of: "principal" + String(repeating: ".a", count: 50_000)).hasSuffix("no attribute `a`"))
  }

  @Test func `is refused when it is larger than a mebibyte`() {
    let text = String(repeating: " ", count: 1 << 20 + 1)
    #expect(throws: PolicyError.tooLarge(source: "p", bytes: 1_048_577, limit: 1_048_576)) {
      try Cedar.PolicySet(parsing: [("p", text)])
    }
  }

  @Test func `never crashes the parser, whatever is changed in it`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("policy mutations: seed \(seed)")
    var random = Mutation(state: seed)
    let texts = [
      #"@id("a") permit(principal is User in Team::"x", action in [Action::"a", Action::"b"], resource) when { principal.a has b.c && [1, -2].contains(context.x * 3) } unless { "é\u{e9}" like "a*\*" };"#,
      #"forbid(principal == A::B::"c", action, resource is T) when { if ip("10.0.0.0/8").isInRange(context.ip) then {a: 1, "b c": [[]]}["b c"] == [] else !(1 <= 2 || datetime("2024-01-01").toDate() != context.d) };"#,
    ]
    var accepted = 0
    for round in 0..<6_000 {
      let text = random.mutate(texts[round % texts.count], with: texts[(round + 1) % texts.count])
      guard let set = try? Cedar.PolicySet(parsing: [("fuzz", text)]) else { continue }
      accepted += 1
      let decision = try set.decide(World.request(), World.entities())
      #expect(decision == (try set.decide(World.request(), World.entities())), "seed \(seed)")
    }
    #expect(accepted > 0 && accepted < 6_000, "\(accepted) of 6000 accepted, seed \(seed)")
  }
}

/// Changes texts in reproducible ways.
private struct Mutation {
  var state: UInt64

  mutating func next(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(bound))
  }

  mutating func mutate(_ text: String, with other: String) -> String {
    var bytes = Array(text.utf8)
    let donor = Array(other.utf8)
    for _ in 0...next(3) {
      let place = next(bytes.count)
      switch next(5) {
      case 0: bytes[place] = UInt8(next(256))
      case 1: bytes.remove(at: place)
      case 2: bytes.insert(contentsOf: bytes[place..<min(place + next(20), bytes.count)], at: next(bytes.count))
      case 3: bytes.removeSubrange(place..<min(place + next(20), bytes.count - 1 < place ? place : bytes.count - 1))
      default:
        let from = next(donor.count)
        bytes.insert(contentsOf: donor[from..<min(from + next(30), donor.count)], at: place)
      }
      if bytes.isEmpty { bytes = [0x28] }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
