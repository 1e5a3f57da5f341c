import ConnectorFabric
import Cryptography
import Egress
import PluginHost
import Vault

/// What is asked of a token endpoint, and what its answers come to.
extension AccessTokens {
  private static let bodyBytesMax = 256 << 10
  private static let refusalMs: Int64 = 10_000

  /// Takes its turn among all that ask this upstream with this credential, ahead of those who wait for the token.
  func ask(_ need: Need) {
    let turn = throttles.turn(for: need)
    turns[need.place] = turn
    let isTaken = throttles.take(turn) { [self] in send(need, turn) }
    guard !isTaken else { return }
    turns[need.place] = nil
    end(need, .failure(.queueFull))
  }

  func send(_ need: Need, _ turn: Throttles.Turn) {
    let request: EgressRequest
    do { request = try self.request(need) } catch {
      over(need.place)
      return end(need, .failure(HTTPFailure(.transient, TokenError.notRead(need))))
    }
    let sentAt = clock.monotonicMs()
    asking[need.place] = client.send(request) { [self] head in
      switch head {
      case .failure(let failure):
        if failure.isSilence { throttles.heard(turn, status: nil, sentAtMs: sentAt) }
        failed(need, failure)
      case .success(let head):
        metrics.request(at: turn.member, status: head.status)
        let pauseMs = RetryAfter.pauseMs(of: head, nowMs: clock.wallMs())
        throttles.heard(turn, status: head.status, sentAtMs: sentAt, pauseMs: pauseMs)
        collect(need, head.status, pauseMs, [])
      }
    }
  }

  /// Nothing is under way there any more.
  func over(_ place: String) {
    asking[place] = nil
    if let turn = turns[place] { giveBack(turn, of: place) }
  }

  func giveBack(_ turn: Throttles.Turn, of place: String) {
    turns[place] = nil
    throttles.end(turn)
  }

  func request(_ need: Need) throws -> EgressRequest {
    guard case .client(let id, let secret, let given) = need.client, let base = need.route.base(of: need.grant.endpoint)
    else { preconditionFailure("the secret was read for another scheme") }
    let refreshToken = try renewal(of: need)?.reveal { String(decoding: $0, as: UTF8.self) } ?? given
    let (headers, body) = TokenGrant.request(
      need.grant, clientID: id, clientSecret: secret, refreshToken: refreshToken, base64: Base64.encode)
    var request = need.route.request("POST", base + need.grant.path, to: need.grant.endpoint)
    request.proxy = need.proxy
    // Sent a second time, a refresh token that rotates would be taken for a stolen one.
    request.isSentOnce = true
    request.timeoutMs = Self.timeoutMs
    request.responseBytesMax = Self.bodyBytesMax
    request.headers += headers.map { ($0.name, $0.value) }
    request.body = body
    return request
  }

  func collect(_ need: Need, _ status: Int, _ pauseMs: Int64?, _ body: [UInt8]) {
    asking[need.place]?.read(bytesMax: Self.bodyBytesMax) { [self] result in
      switch result {
      case .failure(let failure): failed(need, failure)
      case .success((let part, let isEnd)):
        guard isEnd else { return collect(need, status, pauseMs, body + part) }
        guard status != 429 else { return tooMany(need, pauseMs) }
        ended(need, TokenGrant.read(status: status, body: body + part))
      }
    }
  }

  /// What no trying again mends is told as it is: a wrong login at the proxy, say.
  func failed(_ need: Need, _ failure: EgressFailure) {
    let told = HTTPFailure(failure)
    guard told.status != .transient else {
      let sentence = failure.message
      return ended(need, .unclear(sentence.last == "." ? String(sentence.dropLast()) : sentence))
    }
    over(need.place)
    metrics.token(instance: need.route.key, ending: "unclear")
    end(need, .failure(told))
  }

  /// Its own word for "later": who needs the token is told so, as of any other request.
  func tooMany(_ need: Need, _ pauseMs: Int64?) {
    over(need.place)
    metrics.token(instance: need.route.key, ending: "too_many")
    let error = TokenError.tooMany(need)
    end(
      need,
      .failure(
        HTTPFailure(
          status: .rateLimited, code: error.code, message: "\(error.message) \(error.remedy)",
          retryAfterMs: max(pauseMs ?? 0, 1_000))))
  }

  func ended(_ need: Need, _ answer: TokenGrant.Answer) {
    over(need.place)
    switch answer {
    case .token(let token):
      metrics.token(instance: need.route.key, ending: "given")
      if need.grant.kind == .refreshToken, token.refreshToken != nil {
        keep(Unkept(token: token, need: need), thenFor: need)
      } else {
        hold(token, need)
      }
    case .refused(let reason):
      metrics.token(instance: need.route.key, ending: "refused")
      let failure = HTTPFailure(.auth, TokenError.refused(need, reason))
      entries[need.place]?.refusal = (failure, clock.monotonicMs() + Self.refusalMs)
      end(need, .failure(failure))
    case .unclear(let reason):
      metrics.token(instance: need.route.key, ending: "unclear")
      end(need, .failure(HTTPFailure(.transient, TokenError.unreachable(need, reason))))
    }
  }
}
