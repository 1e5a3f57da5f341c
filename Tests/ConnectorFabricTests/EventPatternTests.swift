import CanonicalJSON
import ConnectorFabric
import Domain
import TestKit
import Testing

private func pattern(_ value: JSONValue) throws(DocumentError) -> EventPattern {
  try EventPattern(DocumentReader(SourceDocument(name: "routes.yaml", value: value, marks: [:])))
}

private func matches(_ value: JSONValue, _ event: JSONValue) throws -> Bool { try pattern(value).matches(event) }

extension EventPattern {
  fileprivate func matches(_ event: JSONValue) throws -> Bool {
    var look = EventLook(event)
    return try matches(&look)
  }
}

/// The event of event-ruler's description.
private let event: JSONValue = [
  "version": "0", "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
  "time": "2017-10-02T16:24:49Z", "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
  "detail": [
    "c-count": 5, "d-count": 3, "x-limit": .double(301.8), "source-ip": "10.0.0.33", "state": "running", "gone": nil,
    "empty": "", "none": [],
  ],
]

@Suite struct `An event pattern` {
  // https://github.com/aws/event-ruler and https://docs.aws.amazon.com/eventbridge: each comparison as they describe it.
  @Test(
    arguments: [
      (["source": ["aws.ec2"], "detail": ["state": ["initializing", "running"]]], true),
      (["resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000", "other"]], true),
      (["source": ["aws.ec2"], "detail": ["state": ["stopped"]]], false), (["detail": ["c-count": [5]]], true),
      (["detail": ["c-count": ["5"]]], false), (["detail": ["gone": [nil]]], true),
      (["detail": ["absent": [nil]]], false),
      (["detail": ["empty": [""]]], true), (["time": [["prefix": "2017-10-02"]]], true),
      (["time": [["prefix": "2018"]]], false), (["detail": ["c-count": [["prefix": "5"]]]], false),
      (["source": [["prefix": ["equals-ignore-case": "AWS."]]]], true), (["source": [["suffix": "ec2"]]], true),
      (["source": [["suffix": ["equals-ignore-case": "EC2"]]]], true), (["source": [["suffix": "ec"]]], false),
      (["source": [["equals-ignore-case": "AWS.EC2"]]], true), (["source": [["equals-ignore-case": "aws.ec"]]], false),
      (["source": [["wildcard": "a*.e*2"]]], true), (["source": [["wildcard": "*"]]], true),
      (["source": [["wildcard": "aws.ec2*"]]], true), (["source": [["wildcard": "*aws"]]], false),
      (["source": [["wildcard": "aws.ec\\*"]]], false), (["source": [["wildcard": "aws.ec2"]]], true),
      (["detail": ["state": [["anything-but": "initializing"]]]], true),
      (["detail": ["state": [["anything-but": ["running", "stopped"]]]]], false),
      (["detail": ["c-count": [["anything-but": 5]]]], false),
      (["detail": ["c-count": [["anything-but": [1, 2]]]]], true),
      (["detail": ["state": [["anything-but": ["prefix": "run"]]]]], false),
      (["detail": ["state": [["anything-but": ["prefix": ["init", "stop"]]]]]], true),
      (["detail": ["state": [["anything-but": ["suffix": "ing"]]]]], false),
      (["detail": ["state": [["anything-but": ["equals-ignore-case": ["RUNNING"]]]]]], false),
      (["detail": ["state": [["anything-but": ["wildcard": "*un*"]]]]], false),
      (["detail": ["absent": [["anything-but": "x"]]]], false),
      (["detail": ["c-count": [["numeric": [">", 0, "<=", 5]]]]], true),
      (["detail": ["c-count": [["numeric": [">", 0, "<", 5]]]]], false),
      (["detail": ["d-count": [["numeric": ["<", 10]]], "x-limit": [["numeric": ["=", .double(301.8)]]]]], true),
      (["detail": ["state": [["numeric": ["<", 10]]]]], false),
      (["detail": ["source-ip": [["cidr": "10.0.0.0/24"]]]], true),
      (["detail": ["source-ip": [["cidr": "10.1.0.0/16"]]]], false),
      (["detail": ["state": [["cidr": "0.0.0.0/0"]]]], false), (["detail": ["c-count": [["exists": true]]]], true),
      (["detail": ["c-count": [["exists": false]]]], false), (["detail": ["absent": [["exists": false]]]], true),
      (["absent": ["below": [["exists": false]]]], true), (["detail": [["exists": true]]], false),
      (["detail": [["exists": false]]], true), (["detail": ["none": [["exists": false]]]], true),
      (["detail": ["gone": [["exists": true]]]], true),
      (["source": ["x"], "$or": [["version": ["0"]], ["version": ["1"]]]], false),
      (["source": ["aws.ec2"], "$or": [["version": ["1"]], ["detail": ["state": ["running"]]]]], true),
      (
        ["$or": [["version": ["1"]], ["version": ["2"], "$or": [["source": ["aws.ec2"]], ["source": ["b"]]]]]], false
      ),
      (["detail": ["$or": [["c-count": [1]], ["d-count": [3]]]]], true),
    ] as [(JSONValue, Bool)])
  func `matches as EventBridge's grammar says`(value: JSONValue, expected: Bool) throws {
    #expect(try matches(value, event) == expected)
  }

  @Test func `looks at one object of a list at a time, and at the whole event for what is absent`() throws {
    let list: JSONValue = ["items": [["kind": "a", "size": 1], ["kind": "b", "size": 2], [["kind": "c"]]]]
    #expect(try matches(["items": ["kind": ["a"], "size": [1]]], list))
    #expect(try !matches(["items": ["kind": ["a"], "size": [2]]], list))
    #expect(
      try matches(["items": ["kind": ["c"]]], list) && matches(["items": ["kind": [["anything-but": "a"]]]], list))
    #expect(try !matches(["items": ["size": [["exists": false]]]], list))
    #expect(try matches(["items": ["weight": [["exists": false]], "kind": ["b"]]], list))
  }

  @Test func `looks at each object of a long list once, however many there are`() throws {
    func steps(_ count: Int, _ value: JSONValue) throws -> Int {
      var look = EventLook(["items": .array(Array(repeating: [:], count: count))])
      _ = try pattern(value).matches(&look)
      return look.steps
    }
    for value: JSONValue in [
      ["items": ["kind": ["a"]]], ["items": ["kind": ["a", ["exists": false]], "size": [1]]],
      ["items": ["below": ["kind": [["exists": false], 1], "size": [1]]]],
    ] {
      let (short, long) = (try steps(1_000, value), try steps(10_000, value))
      #expect(long <= 10 * short && long <= 10 * 10_000, "\(value.canonicalText): \(short), \(long) steps")
    }
  }

  @Test func `that would take more than so many steps is given up, as early with a long text as with a long list`()
    throws
  {
    let value: JSONValue = ["items": ["kind": [["wildcard": "*b*"], "c"]]]
    let list: JSONValue = ["items": .array(Array(repeating: ["kind": "a"], count: 1_000))]
    let text: JSONValue = ["items": [["kind": .string(String(repeating: "a", count: 6_400))]]]
    // At every place of the text all but one of its bytes fit.
    let slow = JSONValue.string("*" + String(repeating: "a", count: 60) + "b*")
    let slowValue: JSONValue = ["items": ["kind": [["anything-but": ["wildcard": slow]]]]]
    for (value, event, stepsMax) in [(value, list, 90), (value, text, 90), (slowValue, text, 5_000)] {
      var look = EventLook(event, stepsMax: stepsMax)
      #expect(throws: TooMuchWork.self) { try pattern(value).matches(&look) }
    }
    #expect(try !matches(value, list) && !matches(value, text) && matches(slowValue, text))
  }

  @Test func `takes a field named $or as one where it lists no two objects`() throws {
    #expect(try matches(["$or": ["a"]], ["$or": "a"]) && matches(["$or": ["b": [1]]], ["$or": ["b": 1]]))
    #expect(throws: DocumentError.self) { try pattern(["$or": [["numeric": [1]], ["prefix": ["a"]]]]) }
  }

  @Test(
    arguments: [
      ([:], ""), (["a": "b"], "a"), (["a": []], "a"), (["a": [:]], "a"), (["a": [["b"]]], "a[0]"),
      (["a": [["like": "b"]]], "a[0]"), (["a": [["prefix": "b", "suffix": "c"]]], "a[0]"),
      (["a": [["prefix": 1]]], "a[0].prefix"), (["a": [["wildcard": "a**b"]]], "a[0].wildcard"),
      (["a": [["wildcard": "a\\b"]]], "a[0].wildcard"), (["a": [["numeric": ["<"]]]], "a[0].numeric"),
      (["a": [["numeric": [">", 5, "<", 5]]]], "a[0].numeric"),
      (["a": [["numeric": ["<", 5, ">", 1]]]], "a[0].numeric"),
      (["a": [["numeric": ["!=", 5]]]], "a[0].numeric"), (["a": [["numeric": ["=", 5_000_000_001]]]], "a[0].numeric"),
      (["a": [["numeric": []]]], "a[0].numeric"), (["a": [["cidr": "10.0.0.1"]]], "a[0].cidr"),
      (["a": [["exists": "yes"]]], "a[0].exists"), (["a": [["anything-but": ["x", 1]]]], "a[0].anything-but"),
      (["a": [["anything-but": []]]], "a[0].anything-but"),
      (["a": [["anything-but": ["numeric": ["<", 1]]]]], "a[0].anything-but"),
    ] as [(JSONValue, String)])
  func `is refused at the key that is wrong`(value: JSONValue, path: String) throws {
    let error = try #require(throws: DocumentError.self) { try pattern(value) }
    #expect(error.path == path && !error.allowed.isEmpty)
  }

  @Test func `of any event's own values matches that event, and one of other values does not`() throws {
    var random = SplitMix64(seed: 11)
    for _ in 0..<500 {
      let event = JSONValue.object(["root": MadeUp.object(depth: 3, &random)])
      guard let own = MadeUp.pattern(of: event, &random) else { continue }
      #expect(try matches(own, event), "\(own.canonicalText) of \(event.canonicalText)")
      let other = MadeUp.changed(own)
      #expect(try !matches(other, event), "\(other.canonicalText) of \(event.canonicalText)")
      // Or is or, and a field that must be absent and present is neither.
      #expect(try matches(["$or": [other, own]], event) && !matches(["$or": [other, other]], event))
    }
  }

  @Test func `with wildcards finds what trying every place finds`() throws {
    var random = SplitMix64(seed: 12)
    func text(_ letters: [String], _ count: ClosedRange<Int>) -> String {
      (0..<Int.random(in: count, using: &random)).map { _ in letters.randomElement(using: &random)! }.joined()
    }
    var hits = 0
    for _ in 0..<3_000 {
      var wildcard = text(["a", "b", "*"], 0...6)
      while wildcard.contains("**") { wildcard = wildcard.replacing("**", with: "*") }
      let value = text(["a", "b"], 0...8)
      let expected = MadeUp.fits(Array(wildcard)[...], Array(value)[...])
      hits += expected ? 1 : 0
      #expect(try matches(["v": [["wildcard": .string(wildcard)]]], ["v": .string(value)]) == expected)
      #expect(
        try matches(["v": [["anything-but": ["wildcard": .string(wildcard)]]]], ["v": .string(value)]) != expected)
    }
    #expect(hits > 100)
  }

  @Test func `that is nonsense is refused by a sentence, and never ends who reads it`() throws {
    var random = SplitMix64(seed: 13)
    var refused = 0
    for _ in 0..<5_000 {
      let value = MadeUp.nonsense(depth: 4, &random)
      var look = EventLook(event)
      do throws(DocumentError) {
        let read = try pattern(value)
        _ = try? read.matches(&look)
      } catch { refused += 1 }
    }
    #expect(refused > 1_000 && refused < 5_000)
    var deep: JSONValue = ["a": ["x"]]
    for _ in 0..<100 { deep = ["a": deep] }
    #expect(throws: DocumentError.self) { try pattern(deep) }
    #expect(throws: DocumentError.self) { try pattern(["a": .array((0...256).map { .integer($0) })]) }
  }
}

/// Made-up events and patterns.
private enum MadeUp {
  static func scalar(_ random: inout SplitMix64) -> JSONValue {
    switch Int.random(in: 0..<5, using: &random) {
    case 0: .integer(Int64.random(in: -9...9, using: &random))
    case 1: .bool(Bool.random(using: &random))
    case 2: .null
    case 3: .double(0.5)
    default: .string(["", "a", "ab", "prefix", "ä"].randomElement(using: &random)!)
    }
  }

  static func object(depth: Int, _ random: inout SplitMix64) -> JSONValue {
    var members: [String: JSONValue] = [:]
    for name in ["a", "b", "c"].prefix(Int.random(in: 1...3, using: &random)) {
      members[name] = depth > 0 && Bool.random(using: &random) ? object(depth: depth - 1, &random) : scalar(&random)
    }
    return .object(members)
  }

  /// Of each field the value that is there, among another.
  static func pattern(of event: JSONValue, _ random: inout SplitMix64) -> JSONValue? {
    guard let members = event.object else { return .array([event, "another"]) }
    return .object(members.compactMapValues { pattern(of: $0, &random) })
  }

  /// The same with values that no event has.
  static func changed(_ pattern: JSONValue) -> JSONValue {
    pattern.object.map { .object($0.mapValues(changed)) } ?? ["none of them", ["numeric": [">", 100]]]
  }

  static func nonsense(depth: Int, _ random: inout SplitMix64) -> JSONValue {
    let names = [
      "a", "$or", "prefix", "suffix", "numeric", "exists", "cidr", "wildcard", "anything-but", "equals-ignore-case",
    ]
    switch depth == 0 ? 0 : Int.random(in: 0..<6, using: &random) {
    case 0: return [scalar(&random), "10.0.0.0/8", "<", "a*b"].randomElement(using: &random)!
    case 1, 2:
      return .array((0..<Int.random(in: 0...3, using: &random)).map { _ in nonsense(depth: depth - 1, &random) })
    case 3: return ["a": .array([scalar(&random)])]
    default:
      let count = Int.random(in: 0...2, using: &random)
      return .object(
        Dictionary((0..<count).map { _ in (names.randomElement(using: &random)!, nonsense(depth: depth - 1, &random)) })
        { $1 })
    }
  }

  static func fits(_ wildcard: ArraySlice<Character>, _ text: ArraySlice<Character>) -> Bool {
    guard let first = wildcard.first else { return text.isEmpty }
    if first == "*" { return (0...text.count).contains { fits(wildcard.dropFirst(), text.dropFirst($0)) } }
    return text.first == first && fits(wildcard.dropFirst(), text.dropFirst())
  }
}
