import CanonicalJSON
import Cryptography
import Domain
import MemoryStorage
import Policy
import TestKit
import Testing

private typealias Bench = PolicyBench

@Suite struct `The shipped policies` {
  @Test func `parse, and name only what the schema has`() throws {
    let document = try Shipped.document()
    #expect(document.policies.statements.count == 9)
    #expect(document.policies.statements.allSatisfy { $0.annotations["sentence"]?.hasSuffix(".") == true })
    #expect(try PolicyStage.check(document.json).hash == document.hash)
  }

  @Test func `come with the numbers that hold when none are given`() throws {
    let document = try FlatYAML.read(Shipped.text("governance.yaml"), name: "governance.yaml")
    var shipped = try Governance(document)
    #expect(shipped.people.count == 6, "the managers of the sample pipeline")
    shipped.people = []
    #expect(shipped == Governance())
    #expect(document.mark("budgets.cost_cents_per_day") != nil)
  }
}

@Suite struct `A policy document` {
  @Test func `is refused with file, line and column before it is activated`() throws {
    let document: JSONValue = [
      "files": [["name": "a.cedar", "text": "permit(principal, action, resource)\nwhen { 1 / 2 };"]]
    ]
    let error = #expect(throws: PolicyError.self) { try PolicyStage.check(document) }
    #expect(error?.message == "a.cedar:2:10: the operator `/` is not supported.")
  }

  @Test func `is refused when a policy names what the schema has not`() throws {
    let error = #expect(throws: PolicyFinding.self) {
      try Shipped.document(adding: "permit(principal, action, resource)\nwhen { context.toool == \"x\" };")
    }
    #expect(error?.message == "test.cedar:1:1: policy test.cedar asks the context for `toool`, which it never has.")
  }

  @Test(
    arguments: [
      ([], "the document must be an object"), (["file": []], #"there is no member "file""#),
      ([:], "it must be an array"),
      (["files": [["name": "a"]]], #"it must be {"name", "text"}"#), (["files": [], "schema": 1], "it must be a text"),
    ] as [(JSONValue, String)])
  func `of another shape is refused`(document: JSONValue, reason: String) {
    let error = #expect(throws: PolicyError.self) { try PolicyStage.check(document) }
    #expect(error?.message.contains(reason) == true)
  }

  @Test func `that does not parse leaves the set in force in force, and is recorded with its reason`() throws {
    let bench = try Bench()
    for (hash, document) in [
      (nil, ["files": [["name": "a.cedar", "text": "permit(;"]]]),
      (SHA256.digest("other"), try Shipped.document().json),
      (nil, ["files": [], "governance": ["quorum": 0]]), (nil, "nonsense"),
    ] as [(Digest?, JSONValue)] {
      let hash = hash ?? SHA256.digest(document.canonicalBytes)
      try bench.append(
        .activation,
        Activation(kind: .policies, name: "policies", hash: hash, document: document, by: UserID(unchecked: "olga")))
    }
    try bench.append(
      .activation, Activation(kind: .mode, name: "mode", hash: SHA256.digest(""), document: ["mode": "yolo"], by: nil))
    #expect(
      try bench.refused().map(\.code) == [
        "policy.document_refused", "policy.hash_mismatch", "policy.document_refused", "policy.document_refused",
        "policy.mode_unknown",
      ])
    #expect(
      try bench.refused()[0].message == "The policies were not activated: a.cedar:1:8: expected `principal`, found `;`."
    )
    #expect(try bench.propose([Sample.fix("a")])[0].outcome == .allow)
  }

  @Test func `judges all that has not started again when it is activated`() throws {
    let bench = try Bench()
    try bench.propose([Sample.fix("a"), Sample.close("b"), Sample.proposal("c")])
    try bench.append(.effectStarted, bench.mint(Sample.proposal("c")))
    let strict = try Shipped.document(
      adding: #"@id("no") forbid(principal, action, resource) when { context.tool == "crm.close_lost" };"#)
    try bench.activate(strict)
    let verdicts = Dictionary(uniqueKeysWithValues: bench.verdicts.last!.verdicts.map { ($0.proposal, $0) })
    #expect(verdicts.count == 2)
    #expect(verdicts[Sample.fix("a").id]?.outcome == .allow && verdicts[Sample.close("b").id]?.outcome == .deny)
    #expect(verdicts.values.allSatisfy { $0.policySet == strict.hash })
    // The same document again changes nothing.
    let count = bench.verdicts.count
    try bench.activate(strict)
    #expect(bench.verdicts.count == count)
  }
}

@Suite struct `A governance file` {
  @Test(arguments: [
    ("sluice: 2", "governance.yaml:1:9: `sluice` is 2.", "an integer from 1 to 1"),
    ("sluice: 1\nquorun: 2", "governance.yaml:2:9: `quorun` is unknown here.", "quorum"),
    ("sluice: 1\nattempts_max: 0", "governance.yaml:2:15: `attempts_max` is 0.", "an integer from 1 to 100"),
    ("sluice: 1\nquorum: many", "governance.yaml:2:9: `quorum` is \"many\".", "an integer from 1 to 20"),
    (
      "sluice: 1\nbudgets:\n  per_day: 3", "governance.yaml:3:12: `budgets.per_day` is unknown here.",
      "autonomous_per_account_per_day"
    ),
    (
      "sluice: 1\nbudgets:\n  cost_cents_per_day: -1", "governance.yaml:3:23: `budgets.cost_cents_per_day` is -1.",
      "from 0 to"
    ),
    ("sluice: 1\napprovers:\n  Ann: bob", "governance.yaml:3:8: `approvers.Ann` is \"bob\".", "a list"),
    ("sluice: 1\npeople:\n  Ann: 3", "governance.yaml:3:8: `people.Ann` is 3.", "what this person is, in words"),
    ("holds_per_approver_per_day: 10", "governance.yaml:1:1: `sluice` is missing.", "an integer from 1 to 1"),
  ])
  func `is refused with key, line and what is allowed`(text: String, message: String, allowed: String) {
    let error = #expect(throws: DocumentError.self) {
      try Governance(try FlatYAML.read(text, name: "governance.yaml"))
    }
    #expect(error?.message == message)
    #expect(error?.remedy.contains(allowed) == true)
  }

  @Test func `names who may answer for whom`() throws {
    let value: JSONValue = ["sluice": 1, "approvers": ["Melvin Marxen": ["melvin"], "*": ["ops"]]]
    let governance = try Governance(SourceDocument(name: "g", value: value, marks: [:]))
    let (melvin, ops, eve) = (UserID(unchecked: "melvin"), UserID(unchecked: "ops"), UserID(unchecked: "eve"))
    #expect(governance.mayAnswer(melvin, for: "Melvin Marxen") && governance.mayAnswer(ops, for: nil))
    #expect(!governance.mayAnswer(melvin, for: "Cara Losch") && !governance.mayAnswer(eve, for: "Melvin Marxen"))
    #expect(Governance().mayAnswer(eve, for: nil))
    #expect(governance.named == ["Melvin Marxen"])
    let people: JSONValue = ["sluice": 1, "people": ["Cara Losch": "manager"]]
    #expect(try Governance(SourceDocument(name: "g", value: people, marks: [:])).named == ["Cara Losch"])
  }
}

/// `key: value` lines, two levels deep: what the shipped file consists of, with the place of every value.
enum FlatYAML {
  static func read(_ text: String, name: String) throws -> SourceDocument {
    var members: [String: JSONValue] = [:]
    var marks: [String: SourceDocument.Mark] = ["": .init(line: 1, column: 1)]
    var parent = ""
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let content = line.drop { $0 == " " }
      guard !content.isEmpty, content.first != "#", let colon = content.firstIndex(of: ":") else { continue }
      let key = String(content[..<colon])
      let value = content[content.index(after: colon)...].drop { $0 == " " }
      let column = line.count - value.count + 1
      let isNested = content.count < line.count
      let path = isNested ? "\(parent).\(key)" : key
      marks[path] = .init(line: index + 1, column: column)
      let scalar = Int64(value).map(JSONValue.integer) ?? .string(String(value))
      if isNested {
        var object = members[parent]?.object ?? [:]
        object[key] = scalar
        members[parent] = .object(object)
      } else {
        parent = key
        members[key] = value.isEmpty ? [:] : scalar
      }
    }
    return SourceDocument(name: name, value: .object(members), marks: marks)
  }
}
