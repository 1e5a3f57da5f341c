import Domain

extension Cedar {
  /// Runs [Cedar's integration tests](https://github.com/cedar-policy/cedar-integration-tests): requests with the
  /// decision, reasons and erring policies that Cedar's own implementation gives. Files are read by the caller.
  package struct CorpusRun: Sendable {
    /// Requests that agreed.
    package private(set) var passed = 0
    /// Requests that did not.
    package private(set) var failed = 0
    /// Requests of tests whose policies or schema use what is refused when loading, counted by construct.
    package private(set) var unsupported: [String: Int] = [:]
    /// The first disagreements, for a person.
    package private(set) var failures: [String] = []
    package static let failuresMax = 50

    package init() {}

    package var summary: String {
      let refused = unsupported.values.reduce(0, +)
      return "\(passed) passed, \(failed) failed" + (refused == 0 ? "" : ", \(refused) unsupported")
    }

    /// Whether a file is a test: `H.json`, not `H.entities.json`.
    package static func isTest(path: String) -> Bool {
      path.hasSuffix(".json") && !path.hasSuffix(".entities.json") && !path.hasSuffix("/entities.json")
        && !path.hasSuffix("schema.json")
    }

    /// Runs one test.
    /// - Parameters:
    ///   - name: The test's file, for failures.
    ///   - test: Its content.
    ///   - read: A file by the path that the test gives, relative to the corpus.
    package mutating func run(name: String, test: [UInt8], read: (_ path: String) -> [UInt8]?) {
      let document: JSONValue
      do throws(PolicyError) { document = try Cedar.readJSON(test, what: name) } catch {
        return fail(1, "\(name): \(error)")
      }
      let requests = document["requests"]?.array ?? []
      do throws(PolicyError) {
        let loaded = try load(document, read)
        for (i, request) in requests.enumerated() { try check(request, loaded, "\(name) request \(i)") }
      } catch {
        switch error {
        case .unsupported(_, let construct): unsupported[construct, default: 0] += requests.count
        case .unknownFunction(_, let function): unsupported["the function `\(function)`", default: 0] += requests.count
        default: fail(requests.count, "\(name): \(error)")
        }
      }
    }

    private typealias Loaded = (policies: PolicySet, entities: Entities, schema: Schema?)

    private func load(_ document: JSONValue, _ read: (String) -> [UInt8]?) throws(PolicyError) -> Loaded {
      func file(_ key: String) throws(PolicyError) -> [UInt8] {
        guard let path = document[key]?.string, let bytes = read(path) else {
          throw .jsonMalformed(what: "test", reason: "its \(key) cannot be read")
        }
        return bytes
      }
      let schema = try Schema(parsing: String(decoding: file("schema"), as: UTF8.self))
      let text = String(decoding: try file("policies"), as: UTF8.self)
      return (
        try PolicySet(parsing: [("policies", text)], naming: .byPosition),
        try Entities(json: Cedar.readJSON(file("entities"), what: "entities"), schema: schema), schema
      )
    }

    private mutating func check(_ test: JSONValue, _ loaded: Loaded, _ name: String) throws(PolicyError) {
      func uid(_ key: String) throws(PolicyError) -> EntityUID {
        try EntityUID(json: test[key] ?? .null, path: key)
      }
      let request = try Request(
        principal: uid("principal"), action: uid("action"), resource: uid("resource"), context: test["context"] ?? [:],
        schema: loaded.schema)
      let decision = loaded.policies.decide(request, loaded.entities)
      func names(_ key: String) -> Set<String> { Set((test[key]?.array ?? []).compactMap(\.string)) }
      let agrees =
        test["decision"]?.string == (decision.isAllowed ? "allow" : "deny")
        && names("reason") == Set(decision.reasons) && names("errors") == Set(decision.errors.map(\.policy))
      if agrees {
        passed += 1
      } else {
        fail(
          1, "\(name): expected \(test["decision"]?.string ?? "?"), \(names("reason")), \(names("errors")); \(decision)"
        )
      }
    }

    private mutating func fail(_ count: Int, _ line: String) {
      failed += count
      if failures.count < CorpusRun.failuresMax { failures.append(line) }
    }
  }
}
