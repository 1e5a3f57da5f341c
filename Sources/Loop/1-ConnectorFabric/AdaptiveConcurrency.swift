/// How many requests an upstream is asked at once: one more for each round trip that went well while all places were in
/// use, half as many after trouble; never below 1, never above `cap`.
///
/// A *round* is as many good answers as there are places. Trouble of requests that were sent before the last halving is
/// the same trouble and counts once. Round trips are compared as means of whole rounds, so that one slow page changes
/// nothing; what lasts becomes the new normal, so that a slower upstream does not keep the limit at 1 for ever.
/// Times are milliseconds of any monotonic clock, kept in whole numbers.
package struct AdaptiveConcurrency: Sendable, Equatable {
  package enum Trouble: String, Sendable, CaseIterable {
    /// 429.
    case tooMany = "too_many"
    /// 502, 503 or 504.
    case unavailable
    /// No answer in time, or no connection.
    case noAnswer = "no_answer"
    /// Answers take much longer than they did.
    case slower
  }

  package private(set) var limit = 1
  package private(set) var cap: Int
  /// What the limit was halved for last, until it has grown again.
  package private(set) var trouble: Trouble?
  /// Round trips in 1/8 ms: mean and mean deviation, as RFC 6298 keeps them.
  private var mean8: Int64?
  private var deviation8: Int64 = 0
  private var roundCount = 0
  private var roundSumMs: Int64 = 0
  private var wasFull = false
  private var halvedAtMs: Int64 = .min

  /// Less than this is the noise of a network and a busy machine.
  private static let noiseMs: Int64 = 25
  /// A round trip longer than an hour says no more than one of an hour.
  private static let longestMs: Int64 = 3_600_000

  package init(cap: Int) { self.cap = max(1, cap) }

  /// Another hard cap; what is above it is given up at once.
  package mutating func change(cap: Int) {
    self.cap = max(1, cap)
    limit = min(limit, self.cap)
  }

  /// A request leaves, `inFlight` with it.
  /// - Parameter kept: Places that are kept for others: who fills all the rest has no more to use.
  package mutating func sent(inFlight: Int, kept: Int = 0) { if inFlight >= limit - kept { wasFull = true } }

  /// A good answer has begun.
  /// - Returns: Whether the limit was halved, since answers have become slower.
  @discardableResult
  package mutating func answered(sentAtMs: Int64, nowMs: Int64) -> Bool {
    // Sent under a limit that has been given up since: tells of the time before.
    guard sentAtMs >= halvedAtMs else { return false }
    roundCount += 1
    roundSumMs += min(max(0, nowMs - sentAtMs), Self.longestMs)
    guard roundCount >= limit else { return false }
    let sample8 = roundSumMs * 8 / Int64(roundCount)
    let isSlower = mean8.map { sample8 > $0 + max($0, 4 * deviation8, Self.noiseMs * 8) } ?? false
    learn(sample8)
    let grows = wasFull && limit < cap
    beginRound()
    if isSlower {
      halve(.slower, nowMs)
      return true
    }
    if grows { limit += 1 }
    if limit == cap || grows { trouble = nil }
    return false
  }

  /// - Returns: Whether the limit was halved for it, or stays at 1 because of it.
  @discardableResult
  package mutating func failed(_ trouble: Trouble, sentAtMs: Int64, nowMs: Int64) -> Bool {
    guard sentAtMs >= halvedAtMs else { return false }
    halve(trouble, nowMs)
    return true
  }

  private mutating func halve(_ trouble: Trouble, _ nowMs: Int64) {
    limit = max(1, limit / 2)
    self.trouble = trouble
    // A request that is sent in the same millisecond belongs to the new limit.
    halvedAtMs = nowMs
    beginRound()
  }

  private mutating func beginRound() {
    roundCount = 0
    roundSumMs = 0
    wasFull = false
  }

  private mutating func learn(_ sample8: Int64) {
    guard let mean = mean8 else {
      mean8 = sample8
      deviation8 = sample8 / 2
      return
    }
    deviation8 += (abs(sample8 - mean) - deviation8) / 4
    mean8 = mean + (sample8 - mean) / 8
  }
}
