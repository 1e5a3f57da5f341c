import SluiceKit

/// Plays the host: answers requests from a script and keeps what a connector says.
final class ScriptedHost: Host {
  var script: (HTTPRequest) throws(HostError) -> HTTPResponse
  private(set) var requests: [HTTPRequest] = []
  private(set) var records: [Record] = []
  private(set) var checkpoints: [Checkpoint] = []
  private(set) var logged: [String] = []
  private(set) var open: [UInt32: [UInt8]] = [:]
  private(set) var bytesRead = 0
  var nowMs: Int64 = 0
  var isCancelled = false
  var timeLeftMs: Int64?

  init(_ script: @escaping (HTTPRequest) throws(HostError) -> HTTPResponse) { self.script = script }

  convenience init(_ responses: [HTTPResponse]) {
    var left = responses
    self.init { _ in left.count > 1 ? left.removeFirst() : left[0] }
  }

  func emit(_ records: [Record], to stream: String) throws(HostError) { self.records += records }
  func checkpoint(_ checkpoint: Checkpoint) throws(HostError) { checkpoints.append(checkpoint) }
  func waitDurable() throws(HostError) {}
  func log(_ level: LogLevel, _ code: String, _ message: String, fields: [LogField]) { logged.append(code) }
  func now(_ clock: HostClock) throws(HostError) -> Int64 { nowMs }
  func random(count: Int) throws(HostError) -> [UInt8] { [UInt8](repeating: 4, count: count) }
  func hint(_ hint: RateHint) throws(HostError) {}

  func open(_ request: HTTPRequest) throws(HostError) -> HTTPHead {
    let response = try send(request)
    let handle = UInt32(requests.count)
    open[handle] = response.body
    return HTTPHead(handle: handle, status: response.status, headers: response.headers)
  }

  func read(_ head: HTTPHead, bytesMax: Int) throws(HostError) -> [UInt8] {
    guard let body = open[head.handle] else { throw HostError("http_read", .invalid) }
    open[head.handle] = Array(body.dropFirst(bytesMax))
    bytesRead += min(bytesMax, body.count)
    return Array(body.prefix(bytesMax))
  }

  func close(_ head: HTTPHead) { open[head.handle] = nil }

  func send(_ request: HTTPRequest) throws(HostError) -> HTTPResponse {
    requests.append(request)
    return try script(request)
  }
}

/// SplitMix64: a test that fails prints the seed it failed with.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
