import ConnectorFabric
import Cryptography
import Domain
package import PluginHost
import WholeLoop

/// Its requests: admitted by the manifest's rules, held where what came before must be durable first, sent by the gate, and
/// remembered as far as the operator and the ledger must know of them.
extension OperationSession {
  package func opened(_ request: HTTPOpen, reply: HTTPReply) {
    asks()
    let asked = PluginRequest(
      endpoint: request.endpoint, method: request.method, path: request.path, query: request.query, slot: request.slot,
      headers: request.headers.map { .init($0.name, $0.value) }, idempotencyKey: request.idempotencyKey,
      body: request.body)
    let admitted: RequestRules.Admitted
    do { admitted = try rules.admit(asked) } catch {
      refusals.append(error)
      metrics.refused(instance: route.key, code: error.code)
      log.warning(error.code, error.sentence, ["instance": "\(route.instance)", "tenant": "\(route.tenant)"])
      isAnswered()
      reply.fail(HTTPFailure(status: .denied, code: error.code, message: error.sentence))
      return
    }
    // Invariant 3: what an upstream is to forget must be durable here. The plugin waits meanwhile as for any answer.
    guard admitted.declared.effect == .ack else { return send(request, admitted, reply) }
    closed(handle: request.handle)
    heldRequests[request.handle] = onceDurable(request.bytes) { [weak self] in
      self?.heldRequests[request.handle] = nil
      self?.send(request, admitted, reply)
    }
  }

  private func send(_ request: HTTPOpen, _ admitted: RequestRules.Admitted, _ reply: HTTPReply) {
    guard !isOver else { return }
    var write: Int?
    // A worker that lies may use a handle twice: what it had, and the place that it holds among others', is given back.
    exchanges.removeValue(forKey: request.handle)?.cancel()
    exchanges[request.handle] = gate.send(request, admitted: admitted, route: route) { [weak self] in
      switch admitted.declared.effect {
      case .write: write = self?.keepWrite(request)
      case .ack: self?.gate.crash.reach(.ackBeforeSend)
      case .read: break
      }
    } answered: { [weak self] result in
      if admitted.declared.effect == .ack { self?.gate.crash.reach(.ackAfterSend) }
      guard let self, !self.isOver else { return }
      isAnswered()
      keepTrouble(result)
      if let write { sentWrites[write].status = seen(result, of: request.handle) }
      switch result {
      case .success(let exchange):
        reply.answer(status: exchange.status, throttledMs: exchange.throttledMs, headers: exchange.headers)
      case .failure(let failure):
        if failure.status == .auth { keepFault(failure) }
        reply.fail(failure)
      }
    }
  }

  /// The status of what has left: the answer's, or the 401 after which it was not sent again, as its credential gives no
  /// other token.
  private func seen(_ result: Result<GatedExchange, HTTPFailure>, of handle: UInt32) -> Int? {
    switch result {
    case .success(let exchange): exchange.status
    case .failure(let failure): failure.status == .auth && exchanges[handle]?.isToBeSentAgain == true ? 401 : nil
    }
  }

  /// What it is that the upstream does, whatever the plugin makes of it: such a fault is none of the plugin.
  private func keepTrouble(_ result: Result<GatedExchange, HTTPFailure>) {
    switch result {
    case .success(let exchange):
      let isTrouble = exchange.status >= 500 || exchange.status == 408 || exchange.status == 429
      upstreamTrouble = isTrouble ? "it answered \(exchange.status)" : nil
    case .failure(let failure): if failure.isUpstreams { upstreamTrouble = failure.message }
    }
  }

  /// A plugin may hide it: its operator hears of it all the same.
  private func keepFault(_ failure: HTTPFailure) {
    if credentialFault == nil {
      log.warning(failure.code, failure.message, ["instance": "\(route.instance)", "tenant": "\(route.tenant)"])
    }
    credentialFault = failure.message
  }

  /// - Returns: Its place among the writes.
  private func keepWrite(_ request: HTTPOpen) -> Int {
    let target = "\(request.method) \(request.path)" + (request.query.isEmpty ? "" : "?\(request.query)")
    let digest = SHA256.digest(parts: [Array((target + "\n").utf8), request.body])
    sentWrites.append(SentWrite(digest: digest, status: nil))
    return sentWrites.count - 1
  }

  package func reads(handle: UInt32, window: Int, reply: HTTPReply) {
    guard let exchange = exchanges[handle], exchange.exchange != nil else {
      reply.fail(HTTPFailure(status: .invalid, code: "egress.no_handle", message: "No response has this handle."))
      return
    }
    asks()
    exchange.read(bytesMax: window) { [weak self] result in
      self?.isAnswered()
      if case .failure(let failure) = result, failure.isUpstreams { self?.upstreamTrouble = failure.message }
      switch result {
      case .success((let part, let isEnd)): reply.answer(part: part, isEnd: isEnd)
      case .failure(let failure): reply.fail(failure)
      }
    }
  }

  package func closed(handle: UInt32) {
    // Given up before it went out: it never does.
    if let token = heldRequests.removeValue(forKey: handle), let reply = durableReplies.removeValue(forKey: token) {
      unpaidBytes -= reply.bytes
    }
    guard let exchange = exchanges.removeValue(forKey: handle) else { return }
    wasHeldBack = wasHeldBack || exchange.isWaiting
    exchange.cancel()
  }
}

extension HTTPOpen {
  /// Roughly what it takes to keep.
  fileprivate var bytes: Int {
    headers.reduce(body.count + path.utf8.count + query.utf8.count) { $0 + $1.name.utf8.count + $1.value.utf8.count }
  }
}
