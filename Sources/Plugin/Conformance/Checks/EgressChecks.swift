import ConnectorFabric
import Domain
import PluginHost
import SluiceHost
import Synchronization
import Vault

// F: what an upstream may do to a plugin, and what a plugin may not do to anybody.
extension Check {
  static let egress: [Check] = [
    Check(
      "echo-endpoint", .hardened, "ABI-6.3",
      "An upstream that repeats every header in its answers changes nothing, and no secret is seen anywhere.",
      unless: { $0.manifest.slots.isEmpty ? "It has no secrets." : Subject.asksNobody($0) }
    ) { stand in
      let plain = try await stand.everything(Stand.Setup())
      let echoing = try stand.twin()
      echoing.upstream.behaves { [upstream = echoing.upstream] request, _ in
        var answer = upstream.wellBehaved(request)
        for (name, value) in request.headers { answer.headers.append(("x-echo-\(name)", value)) }
        return answer
      }
      let echoed = try await echoing.everything(Stand.Setup())
      await echoing.close()
      guard plain == echoed else {
        throw Fault("With more headers it did something else: \(Stand.difference(plain, echoed)).")
      }
      try stand.leaksNothing(echoed)
      return .fine
    },
    Check(
      "redirect-cross-host", .standard, "ABI-6.4", "A redirect is no success, and leads nowhere.",
      unless: Subject.asksNobody
    ) { stand in
      let elsewhere = try UpstreamServer()
      defer { elsewhere.close() }
      stand.upstream.behaves { _, _ in
        UpstreamAnswer(status: 302, headers: [("location", "http://127.0.0.1:\(elsewhere.port)/~crm/elsewhere")])
      }
      try await stand.fails("answered with a redirect", with: OperationResult.Status.typed)
      guard elsewhere.seen.isEmpty else {
        throw Fault("\(elsewhere.seen.count) requests followed the redirect to another host.")
      }
      return .fine
    },
    Check(
      "undeclared-request-handled", .standard, "ABI-6.7", "What the host refuses it does not ask for again and again.",
      unless: Subject.asksNobody
    ) { stand in
      var setup = Stand.Setup()
      setup.manifest = stand.subject.manifest
      setup.manifest!.requests = []
      let live = try await stand.ready(setup)
      for (what, observed) in try await stand.asking(live) where observed.requestCount > 0 {
        try observed.failed(
          "\(what), every request refused", with: OperationResult.Status.typed + [.bug], needsWords: false)
        guard observed.requestCount <= 10 else {
          throw Fault("\(what): \(observed.requestCount) requests, although each was refused.")
        }
      }
      return .fine
    },
    Check(
      "own-requests-declared", .basic, "ABI-6.7", "Every request that it makes is one of its manifest's.",
      unless: Subject.asksNobody
    ) { stand in
      let live = try await stand.ready()
      var refused: [String] = []
      for (_, observed) in try await stand.asking(live) { refused += try observed.alive("An operation").refusals }
      guard refused.isEmpty else {
        throw Fault("The host refused \(refused.count) of its requests: \(listed(Set(refused).sorted())).")
      }
      return .fine
    },
    Check(
      "token-expires-mid-sync", .standard, "ABI-4",
      "A credential that stops working in mid-pull is AUTH, and nothing is lost.", unless: Subject.isNoAskingSource
    ) { stand in
      for stream in stand.streams {
        let whole = try await stand.resume(stream, from: nil)
        guard whole.requestCount > 0 else { continue }
        let count = Mutex(0), last = whole.requestCount
        stand.upstream.behaves { _, _ in
          count.withLock { count in
            count += 1
            return count >= max(2, last) ? UpstreamAnswer(status: 401, body: Array("{}".utf8)) : nil
          }
        }
        let live = try await stand.ready()
        let cut = await stand.pull(live, stream)
        stand.upstream.behaves(nil)
        if last >= 2 { try cut.failed("A pull of \(stream) whose credential expired", with: [.auth]) }
        let rest = try await stand.resume(stream, from: cut.checkpoints.last)
        let missing = Content([cut.before(checkpoint: cut.checkpoints.count - 1), rest]).missing(of: Content([whole]))
        guard missing.isEmpty else { throw Fault("\(stream): after that \(listed(missing)) never came.") }
        await stand.end(live)
      }
      return .fine
    },
    Check(
      "429-retry-after", .standard, "ABI-4", "Told to wait it does not hammer, and loses nothing.",
      unless: Subject.isNoAskingSource
    ) { stand in
      for stream in stand.streams {
        let whole = try await stand.resume(stream, from: nil)
        guard whole.requestCount > 0 else { continue }
        let asked = Mutex(0)
        stand.upstream.behaves { _, _ in
          asked.withLock { asked in
            asked += 1
            return asked <= 2
              ? UpstreamAnswer(status: 429, headers: [("retry-after", "0.05")], body: Array("{}".utf8)) : nil
          }
        }
        let live = try await stand.ready()
        var conduct = Conduct()
        conduct.deadlineMs = 10_000
        let cut = try await stand.pull(live, stream, conduct).alive("A pull of \(stream) that was told to wait")
        stand.upstream.behaves(nil)
        guard cut.isOK || [.rateLimited, .transient].contains(cut.status) else {
          throw Fault("\(stream): told to wait (429) it ended with \(cut.ending)\(cut.words).")
        }
        guard cut.requestCount <= whole.requestCount + 20 else {
          throw Fault("\(stream): \(cut.requestCount) requests after a 429.")
        }
        let rest = cut.isOK ? Observed() : try await stand.resume(stream, from: cut.checkpoints.last)
        let missing = Content([cut, rest]).missing(of: Content([whole]))
        guard missing.isEmpty else { throw Fault("\(stream): after a 429 \(listed(missing)) never came.") }
        stand.upstream.behaves { _, _ in
          UpstreamAnswer(status: 429, headers: [("retry-after", "0.05")], body: Array("{}".utf8))
        }
        let never = try await stand.pull(live, stream, conduct).failed(
          "A pull of \(stream) that was told to wait again and again", with: [.rateLimited, .transient])
        stand.upstream.behaves(nil)
        guard never.requestCount <= 20 else {
          throw Fault("\(stream): \(never.requestCount) requests to an upstream that says 429 each time.")
        }
        await stand.end(live)
      }
      return .fine
    },
    Check(
      "503-burst", .standard, "ABI-4", "An upstream that is down is TRANSIENT, after few requests.",
      unless: Subject.asksNobody
    ) { stand in
      stand.upstream.behaves { _, _ in UpstreamAnswer(status: 503, body: Array("{}".utf8)) }
      for (what, observed) in try await stand.asking(try await stand.ready()) where observed.requestCount > 0 {
        try observed.alive("\(what) of an upstream that is down")
        guard observed.outcome == 3 || [.transient, .rateLimited].contains(observed.status) else {
          throw Fault(
            "\(what): an upstream that is down (503) ended with \(observed.ending)\(observed.words), where TRANSIENT is right."
          )
        }
        guard observed.requestCount <= 20 else {
          throw Fault("\(what): \(observed.requestCount) requests to an upstream that is down.")
        }
      }
      return .fine
    },
    Check(
      "pagination-loop", .standard, "ABI-7.1", "A list that leads back to its beginning ends.",
      unless: Subject.isNoAskingSource
    ) { stand in
      let live = try await stand.ready()
      for stream in stand.streams {
        let first = Mutex<[String: UpstreamAnswer]>([:])
        stand.upstream.behaves { [upstream = stand.upstream] request, declared in
          first.withLock { first in
            if let known = first[declared?.id ?? ""] { return known }
            let answer = upstream.wellBehaved(request)
            first[declared?.id ?? ""] = answer
            return answer
          }
        }
        var conduct = Conduct()
        conduct.deadlineMs = 3_000
        let observed = try await stand.pull(live, stream, conduct).alive(
          "A pull of \(stream) from a list without an end")
        guard observed.status != .cancelled else {
          throw Fault(
            "\(stream): a list that leads back to its beginning was read until the deadline, in \(observed.requestCount) requests."
          )
        }
      }
      return .fine
    },
    Check(
      "truncated-answer", .standard, "ABI-4", "An answer that breaks off is no answer.",
      unless: Subject.isNoAskingSource
    ) { stand in
      stand.upstream.behaves { [upstream = stand.upstream] request, _ in
        var answer = upstream.wellBehaved(request)
        answer.manner = .cut(after: answer.body.count / 2)
        return answer
      }
      try await stand.fails("whose answers break off", with: [.transient, .rateLimited])
      return .fine
    },
    Check(
      "truncated-json", .standard, "ABI-4", "JSON that breaks off, or is none, is refused by name.",
      unless: Subject.isNoAskingSource
    ) { stand in
      for wrong in ["half", "<html>", "[[[[", "{\"a\":", "\u{0}"] {
        stand.upstream.behaves { [upstream = stand.upstream] request, _ in
          var answer = upstream.wellBehaved(request)
          answer.body = wrong == "half" ? Array(answer.body.prefix(answer.body.count / 2)) : Array(wrong.utf8)
          return answer
        }
        try await stand.fails("answered with \(wrong.debugDescription)", with: OperationResult.Status.typed)
      }
      return .fine
    },
    Check(
      "deep-json", .hardened, "ABI-4", "JSON that is nested without end is refused; its stack holds.",
      unless: Subject.isNoAskingSource
    ) { stand in
      let deep = [UInt8](repeating: UInt8(ascii: "["), count: 200_000)
      stand.upstream.behaves { _, _ in UpstreamAnswer(body: deep) }
      try await stand.fails("answered with JSON nested 200,000 deep", with: OperationResult.Status.typed)
      return .fine
    },
    Check(
      "endless-answer", .hardened, "ABI-5.2", "An answer without an end is given up, and never taken for one.",
      unless: Subject.isNoAskingSource
    ) { stand in
      stand.upstream.behaves { _, _ in UpstreamAnswer(manner: .endless(piece: 65_536)) }
      let live = try await stand.ready()
      var conduct = Conduct()
      conduct.deadlineMs = 2_000
      let observed = try await stand.pull(live, stand.streams[0], conduct).alive("A pull from an answer without an end")
      guard observed.status == .cancelled || observed.status.map(OperationResult.Status.typed.contains) == true else {
        throw Fault("An answer without an end was taken for \(observed.ending).")
      }
      guard observed.records.isEmpty else { throw Fault("An answer without an end gave records.") }
      return .fine
    },
    Check(
      "slow-answer", .standard, "ABI-5.2",
      "An upstream that goes silent in mid-answer holds it no longer than its deadline.",
      unless: Subject.isNoAskingSource
    ) { stand in
      let live = try await stand.ready()
      for isSilent in [true, false] {
        stand.upstream.behaves { [upstream = stand.upstream] request, _ in
          var answer = upstream.wellBehaved(request)
          answer.manner = isSilent ? .stalled(after: answer.body.count / 2) : .endless(piece: 1)
          return answer
        }
        var conduct = Conduct()
        conduct.deadlineMs = 500
        let what = isSilent ? "silent in mid-answer" : "dripping"
        let observed = try await stand.pull(live, stand.streams[0], conduct).alive(
          "A pull from an upstream that is \(what)")
        guard observed.status == .cancelled else {
          throw Fault(
            "From an upstream that is \(what) it ended with \(observed.ending)\(observed.words), not CANCELLED.")
        }
      }
      return .fine
    },
    Check("no-direct-syscalls", .hardened, "ABI-2.6", "It asks nothing of the system that the sandbox refuses.") {
      stand in
      try await stand.watches([.systemCalls], for: "syscall")
    },
  ]
}

extension Stand {
  /// Every operation that asks something must fail with a class, and give no record of it.
  func fails(_ how: String, with classes: [OperationResult.Status]) async throws(Fault) {
    let live = try await ready()
    for (what, observed) in try await asking(live) where observed.requestCount > 0 && !what.hasPrefix("A probe") {
      try observed.failed("\(what) \(how)", with: classes)
      guard observed.records.isEmpty else { throw Fault("\(what) \(how) gave records.") }
    }
    await end(live)
  }

  func leaksNothing(_ events: [Observed.Event]) throws {
    let forms = try canaries().flatMap(\.echoForms)
    for event in events {
      let bytes = Array(String(describing: event).utf8) + event.bytes
      for form in forms where bytes.firstRange(of: form) != nil { throw Fault("A secret stands in \(event.kind).") }
    }
  }
}

extension Observed.Event {
  /// What it holds as it is.
  fileprivate var bytes: [UInt8] {
    switch self {
    case .record(let record): record.key + record.version + record.payload
    case .checkpoint(let point): point.state
    case .request(_, _, _, _, let body): body
    default: []
    }
  }
  fileprivate var kind: String {
    switch self {
    case .record: "a record"
    case .checkpoint: "a checkpoint"
    case .request: "a request"
    case .log: "a log line"
    default: "a call of the host"
    }
  }
}
