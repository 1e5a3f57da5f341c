import ConnectorFabric
import Cryptography
import Domain
import Foundation
import PluginHost
import Synchronization
import UVLoop

/// How a worker is started, and of which library.
extension WorkerPool {
  /// One for all operations and workers of an instance.
  func pluginLog(_ route: InstanceRoute) -> PluginLog {
    if let known = onLoop.logs[route.key] { return known }
    let made = PluginLog(log, fields: route.fields, nowMs: SystemSources.monotonicMs())
    onLoop.logs[route.key] = made
    return made
  }

  func withWorker(_ route: InstanceRoute, _ use: @escaping (Result<Worker, WorkerFailure>) -> Void) {
    if let worker = onLoop.slots[route.workerKey]?.worker, worker.isIdle {
      use(.success(worker))
      return
    }
    onLoop.slots[route.workerKey]?.worker?.stop()
    metrics.add("sluice_worker_spawns_total", 1, [("instance", route.key)])
    let surroundings = Worker.Surroundings(
      wallClockMs: SystemSources.wallClockMs, monotonicMs: SystemSources.monotonicMs, random: SystemSources.random)
    let box = WorkerBox()
    let refusals = onLoop.refusals[route.key] ?? ToldRefusals(route, metrics: metrics, log: log)
    onLoop.refusals[route.key] = refusals
    let number = onLoop.numbers.take()
    let worker = Worker(
      loop: loop, spec: spec(route, number), surroundings: surroundings, reported: { refusals.tell($0) }
    ) { ready in
      use(ready.map { _ in box.worker! })
    }
    if worker.hasEnded { onLoop.numbers.give(back: number) }
    worker.onEnd = { [onLoop] in
      onLoop.numbers.give(back: number)
      if onLoop.numbers.isEmpty { onLoop.tellNoneLives() }
    }
    box.worker = worker
    onLoop.slots[route.workerKey] = Slot(route: route, worker: worker, session: nil)
  }
  private final class WorkerBox { weak var worker: Worker? }

  private func spec(_ route: InstanceRoute, _ number: Int) -> WorkerSpec {
    let limits = route.manifest.limits
    var spec = WorkerSpec(
      program: settings.program, plugin: route.library, role: route.manifest.kind == .source ? .source : .executor)
    spec.config = route.config
    spec.extensions = ["sluice.http/1", "sluice.rate-hint/1"]
    spec.recordBytesMax = limits.recordBytesMax
    spec.memoryBytes = limits.memoryBytes
    spec.cpuSeconds = limits.cpuSeconds
    spec.threads = limits.threads
    spec.files = limits.files
    spec.graceMs = limits.graceMs
    spec.sandbox = settings.sandbox
    if geteuid() == 0 {
      // A user of its own for each live worker, so that none can touch another.
      spec.identity = .init(user: WorkerNumbers.firstUser + number, group: WorkerNumbers.firstUser + number)
    }
    spec.group = onLoop.groups?.group(
      number: number, processID: getpid(), memoryBytes: limits.memoryBytes, threads: limits.threads)
    return spec
  }

  /// The library is what the reviewed manifest names, byte for byte; hashed again whenever the file has changed.
  func verifyLibrary(_ route: InstanceRoute) throws(WorkerFailure) {
    var status = stat()
    guard stat(route.library, &status) == 0 else {
      throw .loadFailed(step: "open_file", errorNumber: Int(errno), text: "\(route.library) does not exist")
    }
    let mark = "\(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
    let key = "\(route.library) \(route.manifest.library.sha256.hex)"
    if verified.withLock({ $0[key] }) == mark { return }
    guard let bytes = FileManager.default.contents(atPath: route.library) else {
      throw .loadFailed(step: "open_file", errorNumber: 0, text: "\(route.library) cannot be read")
    }
    let found = SHA256.digest([UInt8](bytes))
    guard found == route.manifest.library.sha256 else {
      throw .loadFailed(
        step: "hash", errorNumber: 0,
        text: "\(route.library) has SHA-256 \(found), its manifest says \(route.manifest.library.sha256)")
    }
    verified.withLock { $0[key] = mark }
  }
}
