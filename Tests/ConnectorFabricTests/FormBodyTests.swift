import CanonicalJSON
import Domain
import Testing

@testable import ConnectorFabric

/// The manifest's write with a form for its body, inside a permit for `set`.
private func rules(_ set: JSONValue) throws -> RequestRules {
  let manifest = try manifest { members in
    var requests = members["requests"]!.array!
    guard case .object(var patch) = requests[2] else { return }
    patch["body"] = "form"
    requests[2] = .object(patch)
    members["requests"] = .array(requests)
  }
  return RequestRules(
    manifest: manifest,
    operation: .executing(action: "close", arguments: ["opportunity": "A1", "set": set], key: "k", targetVersion: nil))
}

private let refund: JSONValue = [
  "amount": 1200, "reason": "so & so+", "metadata": ["by": "Zoë", "urgent": true], "items": ["a", ["id": "b"]],
]
private let refundForm =
  "amount=1200&items[0]=a&items%5B1%5D%5Bid%5D=b&metadata[by]=Zo%C3%AB&metadata[urgent]=true&reason=so+%26%20so%2b"

@Suite struct `A write's form` {
  @Test func `says the permitted argument field by field, in any order, and gets its type from the host`() throws {
    for body in [refundForm, refundForm.split(separator: "&").reversed().joined(separator: "&")] {
      var rules = try rules(refund)
      let admitted = try rules.admit(request(body: body))
      #expect(admitted.headers.contains(.init("Content-Type", "application/x-www-form-urlencoded")))
    }
    var typed = try rules(refund)
    let type = PluginRequest.Header("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
    #expect(throws: Never.self) { try typed.admit(request(body: refundForm, headers: [type])) }
    var empty = try rules([:])
    #expect(throws: Never.self) { try empty.admit(request(body: "")) }
  }

  @Test(arguments: [
    "", "amount=1200", refundForm + "&", "&" + refundForm, refundForm + "&amount=1200", refundForm + "&more=1",
    refundForm.replacing("1200", with: "1201"), refundForm.replacing("amount=1200", with: "amount=1200=1"),
    refundForm.replacing("amount=1200", with: "amount"), refundForm.replacing("&reason", with: ";reason"),
    refundForm.replacing("1200", with: "%1200"), refundForm.replacing("1200", with: "120%3"),
    refundForm.replacing("%C3%AB", with: "e%CC%88"), refundForm.replacing("%C3%AB", with: "ë"),
    refundForm.replacing("true", with: "True"), refundForm.replacing("items[0]", with: "items[]"),
    refundForm.replacing("items[0]", with: "items[00]"), refundForm.replacing("amount", with: "Amount"),
    refundForm.replacing("1200", with: "1200.0"), refundForm.replacing("1200", with: "1200%00"), refund.canonicalText,
  ])
  func `that says anything else is refused`(body: String) throws {
    var rules = try rules(refund)
    let refusal = try #require(throws: RequestRules.Refusal.self) { try rules.admit(request(body: body)) }
    #expect(refusal.code == "egress.outside_permit")
  }

  @Test(arguments: [
    "application/json", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded; charset=utf-7",
    "application/x-www-form-urlencoded, text/plain",
  ])
  func `is not sent as another type`(type: String) throws {
    var rules = try rules(refund)
    #expect(throws: RequestRules.Refusal.self) {
      try rules.admit(request(body: refundForm, headers: [.init("Content-Type", type)]))
    }
  }

  @Test(
    arguments: [
      ("a=", ["a": .null]), ("a=1.5", ["a": .double(1.5)]), ("", ["a": [:]]), ("", ["a": []]), ("a[b]=1", ["a[b]": 1]),
      ("=1", ["": 1]), ("a[]=1", ["a": ["": 1]]), ("0=a", ["a"]), ("a", "a"),
    ] as [(String, JSONValue)])
  func `cannot say what has no fields of its own`(body: String, set: JSONValue) throws {
    var rules = try rules(set)
    #expect(throws: RequestRules.Refusal.self) { try rules.admit(request(body: body)) }
  }

  @Test func `is declared for writes alone, and what is granted says so`() throws {
    let fault = try #require(throws: DocumentError.self) {
      _ = try manifest { members in
        var requests = members["requests"]!.array!
        requests[0] = .object(requests[0].object!.merging(["body": "form"]) { $1 })
        members["requests"] = .array(requests)
      }
    }
    #expect(fault.path == "requests[0].body")
    #expect(throws: DocumentError.self) {
      _ = try manifest { members in
        var requests = members["requests"]!.array!
        requests[2] = .object(requests[2].object!.merging(["body": "xml"]) { $1 })
        members["requests"] = .array(requests)
      }
    }
    guard case .object(var members) = try JSONValue(parsing: manifestText) else { return }
    func authority(_ requests: JSONValue) throws -> Authority {
      members["requests"] = requests
      let manifest = try Manifest(
        SourceDocument(name: "m.yaml", value: .object(members), marks: ["": .init(line: 1, column: 1)]))
      return Authority(manifest, document: .object(members))
    }
    let before = try authority(members["requests"]!)
    var requests = members["requests"]!.array!
    requests[2] = .object(requests[2].object!.merging(["body": "form"]) { $1 })
    #expect(try authority(.array(requests)).changes(from: before) == ["new      requests[patch].body: \"form\""])
  }

  /// Whatever is taken says each permitted field once, and nothing besides.
  @Test func `takes no change of itself but one of spelling`() throws {
    let permitted = try #require(FormBody.fields(of: refund))
    var random = SystemRandomNumberGenerator()
    let some = Array("&=+%[];5BD0a".utf8)
    for _ in 0..<50_000 {
      var body = Array(refundForm.utf8)
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = Int.random(in: 0..<body.count, using: &random)
        if Bool.random(using: &random) {
          body[place] = some.randomElement(using: &random)!
        } else {
          body.remove(at: place)
        }
      }
      guard FormBody.says(body, refund) else { continue }
      let fields = String(decoding: body, as: UTF8.self).split(separator: "&").map { field in
        field.split(separator: "=", omittingEmptySubsequences: false).map {
          PercentEncoding.decode(Array($0.replacing("+", with: " ").utf8))
        }
      }
      #expect(fields.count == permitted.count)
      #expect(Set(fields) == Set(permitted.map { [$0.name, $0.value] }))
    }
  }
}
