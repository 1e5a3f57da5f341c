import Domain
import Foundation
import HTTPEdge
import Identity
import Testing

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

@Suite struct `The server` {
  @Test(.timeLimit(.minutes(1)))
  func `pages, forms and limits hold through a real socket`() async throws {
    let backend = FakeBackend()
    let server = EdgeServer(
      edge: Edge(backend: backend, names: EdgeNames(more: ["127.0.0.1"])), host: "127.0.0.1", port: 0)
    let serving = Task { try await server.run() }
    let base = "http://127.0.0.1:\(await server.boundPort())"

    let page = try await ask(base + Samples.page + "?tenant=demo")
    #expect(page.status == 200 && page.text.contains("crm.close_lost"))
    #expect(page.policy?.contains("default-src 'none'") == true)
    #expect(try await ask(base + "/approvals/a%2Fb%3C").status == 200)
    #expect(backend.calls.last?.arguments["id"]?.string == "a/b<")

    let token = Directory.formToken(session: FakeBackend.session)
    let form = "form_token=\(token)&id=\(Samples.id)&call_hash=\(Samples.callHash)&answer=reject&note=not+now%21"
    _ = try await ask(base + Samples.page, posting: Array(form.utf8), origin: base)
    let call = try #require(backend.calls.last { $0.command == "approval.reject" })
    #expect(call.arguments["note"]?.string == "not now!")
    let forged = try await ask(base + Samples.page, posting: Array(form.utf8), origin: "http://evil.example")
    #expect(forged.status == 403)
    let large = try await ask(
      base + "/hooks/x", posting: Array(repeating: 65, count: Edge.bodyBytesMax + 1), origin: base)
    #expect(large.status == 413 && large.policy != nil)

    await server.stop()
    try await serving.value
  }

  private func ask(_ address: String, posting body: [UInt8]? = nil, origin: String? = nil) async throws
    -> (status: Int, policy: String?, text: String)
  {
    var request = URLRequest(url: URL(string: address)!)
    request.setValue("sluice_session=\(FakeBackend.session)", forHTTPHeaderField: "Cookie")
    if let body {
      request.httpMethod = "POST"
      request.httpBody = Data(body)
      request.setValue("application/x-www-form-urlencoded", forHTTPHeaderField: "Content-Type")
    }
    if let origin { request.setValue(origin, forHTTPHeaderField: "Origin") }
    let configuration = URLSessionConfiguration.ephemeral
    configuration.httpShouldSetCookies = false
    let (data, response) = try await URLSession(configuration: configuration).data(for: request)
    let answer = try #require(response as? HTTPURLResponse)
    return (
      answer.statusCode, answer.value(forHTTPHeaderField: "Content-Security-Policy"),
      String(decoding: data, as: UTF8.self)
    )
  }
}
