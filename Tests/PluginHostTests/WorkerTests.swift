import Domain
import Foundation
import PluginHost
import Testing
import UVLoop

/// Where `make` puts the worker and the C plugins; `swift test` runs in the package's folder.
let built =
  ProcessInfo.processInfo.environment["SLUICE_C_BUILD"] ?? FileManager.default.currentDirectoryPath + "/.build/c"

/// Plays the fabric: grants credit as told, keeps what it is given. Touched on the loop only.
final class Recorder: OperationHandler, @unchecked Sendable {
  var worker: Worker?
  var records: [EmittedRecord] = []
  var checkpoints: [(state: [UInt8], watermarkMs: Int64?)] = []
  var logs: [String] = []
  var reports: [WorkerReport] = []
  var requests: [HTTPOpen] = []
  var batches = 0
  var refillsCredit = true
  var cancelsAfterBatches: Int?

  func emitted(_ batch: EmittedBatch) {
    records += batch.records
    batches += 1
    if refillsCredit { worker?.grant(records: batch.recordCount, bytes: batch.creditBytes) }
    if cancelsAfterBatches == batches { worker?.cancel() }
  }
  func checkpointed(stream: String, state: [UInt8], stateVersion: Int, watermarkMs: Int64?) {
    checkpoints.append((state, watermarkMs))
  }
  func waitsUntilDurable(_ durable: @escaping () -> Void) { durable() }
  func opened(_ request: HTTPOpen, reply: HTTPReply) {
    requests.append(request)
    reply.fail(HTTPFailure(status: .denied, code: "egress.undeclared_request", message: "not declared"))
  }
  func reads(handle: UInt32, window: Int, reply: HTTPReply) {}
  func closed(handle: UInt32) {}
  /// How many more lines are taken.
  var logsLeft = Int.max
  var asked = 0
  func mayLog() -> Bool {
    asked += 1
    logsLeft -= 1
    return logsLeft >= 0
  }
  func logged(level: Int, code: String, message: String, fields: [(name: String, value: String)]) {
    logs.append("\(code): \(message)")
  }
  func hintedRate(endpoint: String, limit: Int64?, remaining: Int64?, resetAtMs: Int64?) {}
}

/// Runs one operation, a pull unless told otherwise, of a plugin in a real, sandboxed worker.
func pull(
  _ plugin: String, config: String, as kind: OperationStart.Kind = .pull, deadlineMs: Int = 5_000, graceMs: Int = 200,
  window: Int = 200, state: [UInt8] = [], recorder: Recorder = Recorder(), operations: Int = 1,
  change: (inout WorkerSpec) -> Void = { _ in }
) async throws -> (Result<OperationResult, WorkerFailure>, Recorder) {
  let loop = EventLoop()
  loop.start()
  defer { loop.stop() }
  var spec = WorkerSpec(program: built + "/sluice-worker", plugin: plugin, role: .source)
  spec.config = Array(config.utf8)
  spec.extensions = ["sluice.http/1"]
  spec.graceMs = graceMs
  if geteuid() == 0 { spec.identity = .init(user: 61_234, group: 61_234) }
  change(&spec)
  let finalSpec = spec
  let result = await withCheckedContinuation {
    (done: CheckedContinuation<Result<OperationResult, WorkerFailure>, Never>) in
    loop.post {
      let surroundings = Worker.Surroundings(
        wallClockMs: { 1_700_000_000_000 }, monotonicMs: { 1 }, random: { [UInt8](repeating: 4, count: $0) })
      recorder.worker = Worker(
        loop: loop, spec: finalSpec, surroundings: surroundings, reported: { recorder.reports.append($0) }
      ) { ready in
        guard case .success = ready else {
          if case .failure(let why) = ready { done.resume(returning: .failure(why)) }
          return
        }
        var start = OperationStart(kind: kind)
        start.name = "counters"
        start.deadlineMs = deadlineMs
        start.state = state
        start.stateVersion = 1
        func run(_ left: Int) {
          recorder.worker!.run(start, handler: recorder) { result in
            if left > 1, case .success = result { run(left - 1) } else { done.resume(returning: result) }
          }
          recorder.worker!.grant(records: window, bytes: window * 2048)
        }
        run(operations)
      }
    }
  }
  await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
    loop.post {
      guard let worker = recorder.worker, !worker.hasEnded else { return done.resume() }
      worker.onEnd = { done.resume() }
      worker.stop()
    }
  }
  return (result, recorder)
}

@Suite(
  .enabled(if: FileManager.default.fileExists(atPath: built + "/sluice-worker"), "run `make c-worker c-plugins` first"))
struct `A worker` {
  @Test func `brings every record once, within its credit, and its checkpoint`() async throws {
    let (result, recorder) = try await pull(
      built + "/plugins/counter.so", config: #"{"records": 1000, "payload_bytes": 100}"#)
    #expect(try result.get().status == .ok)
    #expect(try result.get().records == 1000)
    #expect(Set(recorder.records.map { $0.key }).count == 1000)
    #expect(!recorder.checkpoints.isEmpty)
  }

  @Test func `goes on where its checkpoint left off`() async throws {
    let (_, first) = try await pull(built + "/plugins/counter.so", config: #"{"records": 100}"#)
    let (_, second) = try await pull(
      built + "/plugins/counter.so", config: #"{"records": 130}"#, state: try #require(first.checkpoints.last).state)
    #expect(Set(first.records.map(\.key) + second.records.map(\.key)).count == 130)
    #expect(second.records.count == 30)
  }

  @Test func `hands over an old state written anew, or says that its source cannot`() async throws {
    let old = Array("seven".utf8)
    let (migrated, recorder) = try await pull(
      built + "/tests/contract.so", config: #"{"ask": "calls"}"#, as: .migrate, state: old)
    #expect(try migrated.get().status == .ok)
    #expect(recorder.checkpoints.map(\.state) == [Array("v2:seven".utf8)])
    #expect(recorder.checkpoints.map(\.watermarkMs) == [nil])
    for kind in [OperationStart.Kind.migrate, .receive] {
      let (result, recorder) = try await pull(built + "/plugins/counter.so", config: "{}", as: kind, state: old)
      #expect(try result.get().status == .unsupported)
      #expect(recorder.checkpoints.isEmpty && recorder.records.isEmpty)
    }
  }

  @Test func `that waits for credit is cancelled at its deadline and answers so`() async throws {
    let recorder = Recorder()
    recorder.refillsCredit = false
    let (result, _) = try await pull(
      built + "/plugins/counter.so", config: #"{"records": 1000}"#, deadlineMs: 100, window: 10, recorder: recorder)
    #expect(try result.get().status == .cancelled)
    #expect(recorder.records.count == 10)
  }

  @Test(arguments: [
    ("segfault", "worker.died"), ("abort", "worker.died"), ("exit", "worker.died"), ("busy", "worker.hung"),
    ("frame_garbage", "worker.broke_protocol"), ("frame_length_lie", "worker.broke_protocol"),
  ])
  func `that misbehaves is ended and named`(attack: String, code: String) async throws {
    let (result, _) = try await pull(
      built + "/tests/hostile.so", config: #"{"attack": "\#(attack)"}"#, deadlineMs: 300, graceMs: 100)
    let failure = #expect(throws: WorkerFailure.self) { try result.get() }
    #expect(failure?.code == code)
  }

  @Test func `is held to the processor time of each operation, and named with the limit and where it is raised`()
    async throws
  {
    let (result, _) = try await pull(
      built + "/tests/attacker.so", config: #"{"attack": "busy"}"#, deadlineMs: 60_000, change: { $0.cpuSeconds = 1 })
    let failure = #expect(throws: WorkerFailure.self) { try result.get() }
    #expect(failure == .overLimit(.processor(seconds: 1)) && failure?.code == "worker.over_limit.processor")
    #expect(failure?.message.contains("1 s of processor time") == true)
    #expect(failure?.remedy.contains("`cpu_seconds`") == true)
  }

  @Test func `may use its processor time anew in every operation`() async throws {
    // Each burns 0.4 s; with one count over the worker's life the third would be over the limit.
    let (result, _) = try await pull(
      built + "/tests/attacker.so", config: #"{"attack": "burn"}"#, deadlineMs: 60_000, operations: 4,
      change: { $0.cpuSeconds = 1 })
    #expect(try result.get().status == .ok)
  }

  @Test func `that dies without memory is named with the limit and where it is raised`() async throws {
    let (result, _) = try await pull(
      built + "/tests/attacker.so", config: #"{"attack": "memory_death"}"#, change: { $0.memoryBytes = 128 << 20 })
    let failure = #expect(throws: WorkerFailure.self) { try result.get() }
    #expect(failure == .maybeOutOfMemory(signal: 11, bytes: 128 << 20, lastWords: ""))
    #expect(failure?.message.contains("may be why") == true)
    #expect(failure?.message.contains("134217728 bytes") == true && failure?.remedy.contains("`memory_bytes`") == true)
  }

  @Test func `tells of what the sandbox refused, and of threads and memory beyond their limits`() async throws {
    for (attack, report) in [
      ("socket", WorkerReport.refusedCall(number: 41, name: "socket")), ("thread_bomb", .reached(.threads(count: 0))),
      ("memory_bomb", .reached(.memory(bytes: 128 << 20))), ("memory_regrown", .reached(.memory(bytes: 128 << 20))),
      ("memory_mapped", .reached(.memory(bytes: 128 << 20))),
    ] {
      let (result, recorder) = try await pull(
        built + "/tests/attacker.so", config: #"{"attack": "\#(attack)"}"#, change: { $0.memoryBytes = 128 << 20 })
      #expect(try result.get().status == .ok)
      #expect(recorder.reports == [report], "\(attack)")
    }
  }

  @Test func `that writes on and on is read no further than its share, and goes on when it has done`() async throws {
    let recorder = Recorder()
    recorder.logsLeft = 3
    let (result, _) = try await pull(
      built + "/tests/attacker.so", config: #"{"attack": "log_flood"}"#, deadlineMs: 60_000, recorder: recorder)
    #expect(try result.get().status == .ok)
    // 20,000 lines were written: asked about each, and none beyond the share was decoded.
    #expect(recorder.logs.count == 3 && recorder.asked == 20_000)
  }

  @Test func `says nothing that its host believes without bounds`() {
    var pipe = ErrorPipe(WorkerSpec(program: "", plugin: "", role: .source))
    let lines = [
      "hello", "sluice-worker: refused call 41 socket", "sluice-worker: refused call -1 x",
      "sluice-worker: refused call 99999 x", "sluice-worker: refused call 1 EVIL\u{1B}[2J",
      "sluice-worker: refused call 1 a b", String(repeating: "x", count: 100_000), "bye",
    ]
    let reports = pipe.take(Array(lines.joined(separator: "\n").utf8))
    #expect(reports == [.refusedCall(number: 41, name: "socket")])
    #expect(pipe.lastWords.count == 512)
    pipe.close()
    #expect(pipe.lastWords == "bye" && !pipe.saidMaybeOutOfMemory)
  }

  @Test func `reads no more than the end of each piece once its error pipe is flooded`() {
    var pipe = ErrorPipe(WorkerSpec(program: "", plugin: "", role: .source))
    let flood = Array(String(repeating: "sluice-worker: refused call 1 a\n", count: 2_048).utf8)
    var reports = 0
    for _ in 0..<100 { reports += pipe.take(flood).count }
    #expect(reports <= 2_048 + 100 * 16)
    #expect(pipe.take(Array("sluice-worker: maybe limit memory\n".utf8)) == [] && pipe.saidMaybeOutOfMemory)
    pipe.close()
  }

  @Test func `says why it does not start, though many that do not end at once`() async throws {
    // One signal may tell of several ends, and of one before its last words were looked for.
    let loop = EventLoop()
    loop.start()
    defer { loop.stop() }
    var spec = WorkerSpec(program: built + "/sluice-worker", plugin: "/nowhere/library.so", role: .source)
    if geteuid() == 0 { spec.identity = .init(user: 61_235, group: 61_235) }
    let surroundings: @Sendable () -> Worker.Surroundings = {
      Worker.Surroundings(wallClockMs: { 1 }, monotonicMs: { 1 }, random: { [UInt8](repeating: 4, count: $0) })
    }
    let codes = await withTaskGroup(of: String.self) { group in
      for _ in 0..<80 {
        group.addTask { [spec] in
          await withCheckedContinuation { done in
            loop.post {
              _ = Worker(loop: loop, spec: spec, surroundings: surroundings(), loadTimeoutMs: 60_000) { ready in
                if case .failure(let why) = ready { done.resume(returning: why.code) }
              }
            }
          }
        }
      }
      return await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(codes == ["worker.load_failed.open_file"])
  }

  @Test func `leaves nothing in the host when it has ended`() async throws {
    final class Weak: @unchecked Sendable { weak var worker: Worker? }
    let kept = Weak()
    for attack in ["segfault", "burn"] {
      let recorder = Recorder()
      _ = try await pull(
        built + "/tests/attacker.so", config: #"{"attack": "\#(attack)"}"#, recorder: recorder,
        change: { $0.cpuSeconds = 100 })
      kept.worker = recorder.worker
      #expect(kept.worker != nil)
      recorder.worker = nil
      #expect(kept.worker == nil, "\(attack)")
    }
  }

  @Test func `whose library is missing, foreign or broken names the step`() async throws {
    let cases = [
      ("/nowhere.so", "worker.load_failed.open_file"), ("/tests/broken_NOTE_MAJOR.so", "worker.load_failed.note"),
      ("/tests/broken_SYMBOL.so", "worker.load_failed.symbol"),
      ("/tests/broken_CONSTRUCTOR_CRASH.so", "worker.load_failed.dlopen"),
    ]
    for (file, code) in cases {
      let (result, _) = try await pull(built + file, config: "{}")
      let failure = #expect(throws: WorkerFailure.self) { try result.get() }
      #expect(failure?.code == code, "\(file)")
    }
  }
}
