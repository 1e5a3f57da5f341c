internal import CCurl
import Glibc
package import UVLoop

/// libcurl's multi interface on the event loop. Confined to the loop's thread.
package final class EgressClient {
  private let loop: EventLoop
  private let multi: OpaquePointer
  private let timer: LoopTimer
  private var watches: [curl_socket_t: DescriptorWatch] = [:]
  private var exchanges: [OpaquePointer: EgressExchange] = [:]
  /// libcurl neither takes nor gives back a handle from within its own callbacks: both wait here until it has returned.
  private var callsUnderWay = 0
  private var entering: [EgressExchange] = []
  private var leaving: [EgressExchange] = []
  /// Handshakes that are over, whose connection may still bring an alert.
  private var listening: [OpaquePointer: (watch: DescriptorWatch, patience: LoopTimer)] = [:]
  private var isClosed = false
  private let lookUp: Lookup

  /// The addresses of a host, as text.
  typealias Lookup = (_ host: String, _ done: @escaping ([String]) -> Void) -> Void

  /// A file of certificate authorities that are believed beside the folder of the system's.
  let authoritiesFile: String?

  package convenience init(loop: EventLoop, authoritiesFile: String? = nil) {
    self.init(loop: loop, authoritiesFile: authoritiesFile, lookUp: loop.lookUp)
  }

  init(loop: EventLoop, authoritiesFile: String? = nil, lookUp: @escaping Lookup) {
    self.authoritiesFile = authoritiesFile
    _ = curl_global_init(Int(CURL_GLOBAL_DEFAULT))
    self.loop = loop
    self.lookUp = lookUp
    multi = OpaquePointer(curl_multi_init())
    timer = LoopTimer(loop)
    let this = Unmanaged.passUnretained(self).toOpaque()
    sluice_curlm_set_socket(
      UnsafeMutableRawPointer(multi),
      { _, socket, what, this, _ in
        Unmanaged<EgressClient>.fromOpaque(this!).takeUnretainedValue().watch(socket, what)
        return 0
      }, this)
    sluice_curlm_set_timer(
      UnsafeMutableRawPointer(multi),
      { _, ms, this in
        Unmanaged<EgressClient>.fromOpaque(this!).takeUnretainedValue().schedule(ms)
        return 0
      }, this)
  }

  /// Sends the request.
  /// - Parameter answered: The head of the response, or why there is none. Called once, never from within this call.
  package func send(
    _ request: EgressRequest,
    answered: @escaping (Result<(status: Int, headers: [(name: String, value: String)]), EgressFailure>) -> Void
  ) -> EgressExchange {
    let exchange = EgressExchange(request: request, client: self, answered: answered)
    guard let proxy = request.proxy else {
      enter(exchange, address: nil)
      return exchange
    }
    // A proxy would ask its own resolver: who is asked for is decided here, and the proxy is led to that address.
    lookUp(exchange.name) { [weak self] addresses in
      guard let self, !isClosed, !exchange.isCancelled else { return }
      guard let address = addresses.first(where: exchange.mayReach) else {
        return refuse(
          exchange,
          addresses.isEmpty
            ? .noConnection(host: exchange.host, reason: "its name has no address")
            : .privateAddress(host: exchange.host))
      }
      guard proxy.leads(to: exchange.name, address) else {
        exchange.goDirectly()
        return enter(exchange, address: nil)
      }
      enter(exchange, address: address)
    }
    return exchange
  }

  private func enter(_ exchange: EgressExchange, address: String?) {
    if let refusal = exchange.prepare(leadTo: address) { return refuse(exchange, refusal) }
    exchanges[exchange.handle] = exchange
    entering.append(exchange)
    exchangeHandles()
  }

  private func refuse(_ exchange: EgressExchange, _ refusal: EgressFailure) {
    let soon = LoopTimer(loop)
    soon.start(after: .zero) {
      soon.close()
      exchange.finish(refusal)
    }
  }

  package var inFlight: Int { exchanges.count }

  /// Ends every exchange; the client is not used afterwards.
  package func close() {
    precondition(callsUnderWay == 0, "the client is not closed from within libcurl")
    isClosed = true
    for exchange in exchanges.values { drop(exchange) }
    timer.close()
    for watch in watches.values { watch.close() }
    curl_multi_cleanup(UnsafeMutableRawPointer(multi))
  }

  private func watch(_ socket: curl_socket_t, _ what: Int32) {
    if what == CURL_POLL_REMOVE {
      watches.removeValue(forKey: socket)?.close()
      return
    }
    guard let watch = watches[socket] ?? DescriptorWatch(loop, descriptor: socket) else { return }
    watches[socket] = watch
    var events: DescriptorWatch.Events = []
    if what & CURL_POLL_IN != 0 { events.insert(.readable) }
    if what & CURL_POLL_OUT != 0 { events.insert(.writable) }
    watch.start(events) { [unowned self] ready, failed in
      var action: Int32 = failed ? Int32(CURL_CSELECT_ERR) : 0
      if ready.contains(.readable) { action |= Int32(CURL_CSELECT_IN) }
      if ready.contains(.writable) { action |= Int32(CURL_CSELECT_OUT) }
      act(socket, action)
    }
  }

  private func schedule(_ ms: Int) {
    guard ms >= 0 else {
      timer.stop()
      return
    }
    timer.start(after: .milliseconds(ms)) { [unowned self] in act(curl_socket_t(CURL_SOCKET_BAD_VALUE), 0) }
  }

  private func act(_ socket: curl_socket_t, _ action: Int32) {
    var running: Int32 = 0
    call { curl_multi_socket_action(UnsafeMutableRawPointer(multi), socket, action, &running) }
    // All of them first: what is told of an end may close this client.
    var left: Int32 = 0
    var ended: [(EgressExchange, CURLcode)] = []
    while let message = curl_multi_info_read(UnsafeMutableRawPointer(multi), &left) {
      guard message.pointee.msg == CURLMSG_DONE, let exchange = exchanges[OpaquePointer(message.pointee.easy_handle)]
      else { continue }
      ended.append((exchange, message.pointee.data.result))
    }
    // With its handle a connection that was only made would go, too.
    func isOpen(_ exchange: EgressExchange, _ result: CURLcode) -> Bool { result == CURLE_OK && exchange.isHandshake }
    for (exchange, result) in ended where !isOpen(exchange, result) { drop(exchange) }
    for (exchange, result) in ended {
      if isOpen(exchange, result) { listen(to: exchange) } else { exchange.ended(result) }
    }
  }

  /// Makes the connection of a request that could not be sent once more, to learn from it why.
  func shakeHands(for exchange: EgressExchange, after failure: EgressFailure) {
    guard !isClosed else { return }
    exchange.becomeHandshake(after: failure)
    exchanges[exchange.handle] = exchange
    entering.append(exchange)
    exchangeHandles()
  }

  /// Until its connection says something, or nothing for two seconds.
  private func listen(to exchange: EgressExchange) {
    guard exchanges[exchange.handle] != nil else { return }
    func heard() {
      call { exchange.hear() }
      drop(exchange)
      exchange.ended(CURLE_OK)
    }
    guard let watch = DescriptorWatch(loop, descriptor: exchange.descriptor) else { return heard() }
    let patience = LoopTimer(loop)
    listening[exchange.handle] = (watch, patience)
    watch.start(.readable) { _, _ in heard() }
    patience.start(after: .seconds(2)) { heard() }
  }

  func drop(_ exchange: EgressExchange) {
    if let (watch, patience) = listening.removeValue(forKey: exchange.handle) {
      watch.close()
      patience.close()
    }
    guard exchanges.removeValue(forKey: exchange.handle) != nil else { return }
    leaving.append(exchange)
    exchangeHandles()
  }

  /// Runs what may call back, and afterwards gives libcurl the handles that came up meanwhile.
  func call(_ libcurl: () -> Void) {
    callsUnderWay += 1
    libcurl()
    callsUnderWay -= 1
    exchangeHandles()
  }

  private func exchangeHandles() {
    guard callsUnderWay == 0 else { return }
    while let exchange = leaving.popLast() {
      // One that never got in is not there to be removed.
      if let index = entering.firstIndex(where: { $0 === exchange }) {
        entering.remove(at: index)
      } else {
        let code = curl_multi_remove_handle(
          UnsafeMutableRawPointer(multi), UnsafeMutableRawPointer(exchange.handle))
        precondition(code == CURLM_OK, "libcurl keeps a handle that is about to be freed")
      }
    }
    while !entering.isEmpty {
      let exchange = entering.removeFirst()
      let code = curl_multi_add_handle(UnsafeMutableRawPointer(multi), UnsafeMutableRawPointer(exchange.handle))
      precondition(code == CURLM_OK, "libcurl does not take a new handle")
    }
  }
}

/// `CURL_SOCKET_TIMEOUT`: a macro with a cast, which Swift does not import.
private let CURL_SOCKET_BAD_VALUE = -1
