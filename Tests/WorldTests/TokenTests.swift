import Foundation
import Testing
import World

@Suite struct `The token endpoint` {
  private func ask(_ harness: Harness, _ fields: [String: String], headers: [String: String] = [:]) async -> Answer {
    let form = fields.map { "\($0)=\($1)" }.joined(separator: "&")
    return await harness.crm.answer(Call("POST", "/oauth/token", headers: headers, body: Array(form.utf8)))
  }

  private func refresh(_ harness: Harness, _ token: String) async -> Answer {
    let credentials = harness.crm.credentials
    return await ask(
      harness,
      [
        "grant_type": "refresh_token", "refresh_token": token, "client_id": credentials.clientID,
        "client_secret": credentials.clientSecret,
      ])
  }

  private func isGood(_ harness: Harness, _ answer: Answer) async -> Bool {
    let token = answer.json?["access_token"]?.string ?? ""
    return await harness.get("/api/v1/reps", headers: ["authorization": "Bearer \(token)"]).status == 200
  }

  @Test func `gives tokens that open the API until they end`() async throws {
    let harness = try await Harness(Small.pipeline)
    _ = await harness.control("POST", "/control/tokens", body: ["expires_in": 10])
    let login = Data("\(harness.crm.credentials.clientID):\(harness.crm.credentials.clientSecret)".utf8)
    let answer = await ask(
      harness, ["grant_type": "client_credentials"],
      headers: ["authorization": "Basic " + login.base64EncodedString()])
    #expect(answer.status == 200 && answer.json?["expires_in"]?.integer == 10 && answer.json?["refresh_token"] == nil)
    #expect(await isGood(harness, answer))
    harness.clock.advance(by: 11)
    #expect(await !isGood(harness, answer))
  }

  @Test func `rotates refresh tokens, and revokes everything when one comes twice`() async throws {
    let harness = try await Harness(Small.pipeline)
    let first = await refresh(harness, harness.crm.credentials.refreshToken)
    let second = await refresh(harness, first.json?["refresh_token"]?.string ?? "")
    #expect(second.status == 200)
    #expect(await isGood(harness, second))
    let stolen = await refresh(harness, first.json?["refresh_token"]?.string ?? "")
    #expect(stolen.status == 400 && stolen.json?["error"]?.string == "invalid_grant")
    #expect(await !isGood(harness, second))
    #expect(await refresh(harness, second.json?["refresh_token"]?.string ?? "").status == 400)
    let again = await harness.control("POST", "/control/tokens", body: ["authorize": true])
    #expect(again.json?["reused"]?.integer == 1)
    #expect(await refresh(harness, again.json?["refresh_token"]?.string ?? "").status == 200)
  }

  @Test func `knows its client`() async throws {
    let harness = try await Harness(Small.pipeline)
    let stranger = await ask(
      harness,
      ["grant_type": "client_credentials", "client_id": harness.crm.credentials.clientID, "client_secret": "x"])
    #expect(stranger.status == 401 && stranger.json?["error"]?.string == "invalid_client")
  }
}
