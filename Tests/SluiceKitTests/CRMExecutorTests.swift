import SluiceKit
import Testing

@testable import CRMExecutorPlugin

@Suite struct `An action in the CRM` {
  let executor = CRMExecutor(NoConfiguration())
  let reassign = Call(
    CRMExecutor.Action.reassign, input: ["opportunity": "D1", "set": ["owner": "Zoë"], "expect_version": 3], key: "k1")

  private func response(_ status: Int, _ body: JSON, headers: [HTTPHeader] = []) -> HTTPResponse {
    HTTPResponse(status: status, headers: headers, body: body.bytes)
  }

  @Test func `sends exactly what was permitted`() throws {
    let host = ScriptedHost([response(200, ["id": "D1", "version": 4])])
    #expect(try executor.execute(reassign, host: host) == .done(["id": "D1", "version": 4, "status": 200]))
    #expect(
      host.requests == [
        HTTPRequest(
          "PATCH", "/api/v1/opportunities/D1", endpoint: "crm", slot: "api",
          headers: [HTTPHeader("Content-Type", "application/json")], body: Array(#"{"owner":"Zoë"}"#.utf8))
      ])
  }

  @Test(arguments: [400, 403, 404, 405, 409, 412, 422])
  func `is rejected in the CRM's own words`(status: Int) throws {
    let host = ScriptedHost([response(status, ["error": ["code": "x", "message": "not so"]])])
    guard case .rejected(_, let message) = try executor.execute(reassign, host: host) else {
      Issue.record("not rejected")
      return
    }
    #expect(message == "The CRM refused the write (\(status)): not so.")
  }

  @Test(arguments: [302, 408, 425, 500, 502, 503, 504])
  func `is unknown when nobody can say how far it came`(status: Int) throws {
    let outcome = try executor.execute(reassign, host: ScriptedHost([HTTPResponse(status: status)]))
    guard case .unknown = outcome else {
      Issue.record("\(outcome)")
      return
    }
  }

  @Test(
    arguments: [
      (.transient, true), (.tooLarge, true), (.cancelled, false), (.denied, false), (.auth, false),
      (.rateLimited, false), (.permanent, false),
    ] as [(HostError.Reason, Bool)])
  func `is unknown only when the request may have left`(reason: HostError.Reason, isUnknown: Bool) throws {
    let error = HostError("http_send", reason)
    let host = ScriptedHost { _ throws(HostError) in throw error }
    guard isUnknown else {
      #expect(throws: error) { try executor.execute(reassign, host: host) }
      return
    }
    guard case .unknown = try executor.execute(reassign, host: host) else {
      Issue.record("not unknown")
      return
    }
  }

  @Test func `waits as long as the CRM asks, without a second try`() throws {
    let host = ScriptedHost([HTTPResponse(status: 429, headers: [HTTPHeader("retry-after", "4")])])
    let outcome = try executor.execute(reassign, host: host)
    #expect(outcome == .retryAfter(ms: 4000, message: "The CRM asked to slow down (429)."))
    #expect(host.requests.count == 1)
  }

  @Test func `is found by its key, when the key belongs to it`() throws {
    let path = "/api/v1/opportunities/D1"
    let body: JSON = ["id": "D1", "version": 4]
    func probe(_ known: JSON) throws -> ProbeAnswer {
      try executor.probe(reassign, host: ScriptedHost([response(200, known)]))
    }
    let done = try probe(["applied": true, "method": "PATCH", "path": .string(path), "status": 200, "body": body])
    #expect(done == .done(["id": "D1", "version": 4, "status": 200]))
    #expect(try probe(["applied": false, "method": "PATCH", "path": .string(path)]) == .absent)
    #expect(try executor.probe(reassign, host: ScriptedHost([HTTPResponse(status: 404)])) == .absent)
    guard case .cannotTell = try probe(["applied": true, "method": "POST", "path": .string(path)]) else {
      Issue.record("another request's key was believed")
      return
    }
  }

  @Test(arguments: ["", ".", "..", "a/b", "a%2Fb", "a b", "ü", "a?b", "a#b"])
  func `cannot be about what no path carries`(id: String) throws {
    let call = Call(CRMExecutor.Action.reassign, input: ["opportunity": .string(id), "set": ["owner": "x"]], key: "k")
    guard case .refused = Write.of(call) else {
      Issue.record("accepted")
      return
    }
  }
}
