import Foundation
import FoundationNetworking
import Testing
import World

/// The whole CRM on a socket, and a client of another make.
@Suite(.serialized, .timeLimit(.minutes(1))) struct `The CRM on a socket` {
  private func serve(
    faults: JSONValue = [], webhooks: WebhookPlan.Shares = .none,
    work: @Sendable @escaping (Client) async throws -> Void
  ) async throws {
    var options = SimulatedCRM.Options()
    options.webhooks = webhooks
    let crm = await SimulatedCRM(
      pipeline: Small.pipeline, faults: try Fault.list(json: faults), options: options, clockwork: .system,
      transport: URLSessionTransport())
    let server = HTTPServer(crm: crm, clockwork: .system, host: "127.0.0.1", port: 0)
    let (ports, found) = AsyncStream.makeStream(of: Int.self)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.run { found.yield($0) } }
      for await port in ports {
        try await work(Client(port: port, credentials: crm.credentials))
        break
      }
      group.cancelAll()
    }
  }

  struct Client: Sendable {
    let port: Int
    let credentials: Credentials

    func send(
      _ method: String, _ path: String, _ body: JSONValue? = nil, key: String? = nil, control: Bool = false
    ) async throws -> (status: Int, headers: [String: String], bytes: [UInt8]) {
      var request = URLRequest(url: URL(string: "http://127.0.0.1:\(port)\(path)")!)
      request.httpMethod = method
      request.httpBody = body.map { Data($0.bytes) }
      let token = control ? credentials.controlToken : credentials.token
      request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization")
      if let key { request.setValue(key, forHTTPHeaderField: "Idempotency-Key") }
      let (bytes, response) = try await URLSession(configuration: .ephemeral).data(for: request)
      let http = response as? HTTPURLResponse
      var headers: [String: String] = [:]
      for (name, value) in http?.allHeaderFields ?? [:] { headers["\(name)".lowercased()] = "\(value)" }
      return (http?.statusCode ?? 0, headers, Array(bytes))
    }
  }

  @Test func `it answers with JSON, queries and headers in place`() async throws {
    try await serve { client in
      let page = try await client.send("GET", "/api/v1/opportunities?updated_since=2024-03-01&after_id=A1&limit=5")
      #expect(page.status == 200)
      #expect(page.headers["content-type"] == "application/json")
      #expect(JSONValue(parsing: page.bytes)?["items"]?.array?.map { $0["id"] } == ["C3"])
      let write = try await client.send("PATCH", "/api/v1/opportunities/A1", ["owner": "Gus Holm"], key: "k")
      #expect(write.status == 200)
      #expect(write.headers["etag"] == "\"2\"")
    }
  }

  @Test func `it sends its webhooks over HTTP, here to itself, which refuses them`() async throws {
    try await serve { client in
      let target: JSONValue = ["url": .string("http://127.0.0.1:\(client.port)/nowhere")]
      let registered = try await client.send("POST", "/control/webhooks", target, control: true)
      #expect(registered.status == 200)
      _ = try await client.send("POST", "/control/barrier", ["day": "2024-03-01"], control: true)
      let status = JSONValue(parsing: try await client.send("GET", "/control/status", control: true).bytes)
      #expect(status?["webhooks"]?["refused"]?.integer ?? 0 >= 1)
    }
  }

  @Test(arguments: [("cut_before_apply", 404), ("cut_after_apply", 200)])
  func `a cut connection gives no answer, and the key tells what happened`(kind: String, known: Int) async throws {
    try await serve(faults: [["match": "PATCH /", "kind": .string(kind), "times": 0]]) { client in
      await #expect(throws: URLError.self) {
        _ = try await client.send("PATCH", "/api/v1/opportunities/A1", ["owner": "Gus Holm"], key: "k")
      }
      let probe = try await client.send("GET", "/api/v1/idempotency/k")
      #expect(probe.status == known)
    }
  }

  @Test func `a truncated body ends before its promised length`() async throws {
    try await serve(faults: [["match": "GET /", "kind": "truncated", "times": 0]]) { client in
      await #expect(throws: URLError.self) { _ = try await client.send("GET", "/api/v1/opportunities") }
    }
  }

  @Test func `a huge body arrives whole`() async throws {
    try await serve(faults: [["match": "GET /", "kind": "huge", "bytes": 5_000_000]]) { client in
      let answer = try await client.send("GET", "/api/v1/opportunities")
      #expect(answer.bytes.count == 5_000_000)
    }
  }

  @Test func `the credentials file is for its owner's eyes only`() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.appending(path: "credentials.json").path
      let credentials = Credentials(seed: 7)
      try credentials.write(to: path)
      try credentials.write(to: path)
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      #expect(attributes[.posixPermissions] as? Int == 0o600)
      let json = JSONValue(parsing: Array(FileManager.default.contents(atPath: path) ?? Data()))
      #expect(json == credentials.json)
      #expect(Credentials(seed: 8) != credentials)
    }
  }
}
