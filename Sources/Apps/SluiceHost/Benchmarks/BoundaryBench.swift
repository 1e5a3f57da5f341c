import CanonicalJSON
import ConnectorFabric
package import Domain
import Foundation
import PluginHost

/// `sluice bench boundary`: what it costs that a source lives in a worker of its own. The source hands records over through its
/// sandboxed worker, frames, the host's loop and its credit, to a task that reads each record, keeps nothing, and answers
/// at once that it is durable.
package struct BoundaryBench: Sendable {
  /// A manifest whose source takes `records`, `batch` and `wait`.
  package let manifest: String
  package let records: Int
  package let batch: Int
  /// Whether each batch is awaited before the next one is given.
  package let isWaiting: Bool

  package init(manifest: String, records: Int, batch: Int, isWaiting: Bool) {
    self.manifest = manifest
    self.records = records
    self.batch = batch
    self.isWaiting = isWaiting
  }

  /// - Throws: Why the source did not hand all of it over.
  package func run(on host: RunningHost) async throws -> JSONValue {
    let route = try await host.benchRoute(manifest, config: configuration)
    var start = OperationStart(kind: .pull)
    start.name = route.manifest.streams.first?.name.rawValue ?? ""
    start.deadlineMs = route.manifest.limits.operationTimeoutMs
    let pool = host.pool
    let mailbox = Mailbox<OperationSession.Event>()
    async let ending = pool.run(start, operation: .pulling, route: route, mailbox: mailbox)
    var taken = Taken()
    let clock = ContinuousClock()
    var begin: (at: ContinuousClock.Instant, cpu: Double)?
    while let events = await mailbox.takeAll() {
      if begin == nil { begin = (clock.now, Self.processorSeconds()) }
      let part = Taken(events)
      pool.complete(route, mailbox, part.taken)
      taken.add(part)
    }
    let (elapsed, cpu) = (begin.map { clock.now - $0.at } ?? .zero, Self.processorSeconds() - (begin?.cpu ?? 0))
    try OperationEnding.check(await ending)
    await pool.release(route)
    return [
      "records": .integer(Int64(taken.records)), "batches": .integer(Int64((taken.records + batch - 1) / batch)),
      "bytes": .integer(Int64(taken.bytes)), "ns": .integer(Int64(elapsed.seconds * 1e9)),
      "host_cpu_ns": .integer(Int64(cpu * 1e9)),
    ]
  }

  private var configuration: JSONValue {
    [
      "records": .integer(Int64(records)), "batch": .integer(Int64(batch)), "wait": .integer(isWaiting ? 1 : 0),
    ]
  }

  /// What came, each record as it is read.
  private struct Taken {
    var records = 0
    var bytes = 0
    var taken = Intake.Taken()

    init() {}

    init(_ events: [OperationSession.Event]) {
      for event in events {
        switch event {
        case .batch(let batch):
          for record in batch.records {
            records += 1
            bytes += record.key.count + record.payload.count
          }
          taken.records += batch.recordCount
          taken.bytes += batch.creditBytes
        case .durableWanted(let token): taken.durableTokens.append(token)
        case .checkpoint(_, let checkpoint): taken.checkpointBytes += checkpoint.stateHex.utf8.count / 2
        case .committed: break
        }
      }
    }

    mutating func add(_ other: Taken) {
      records += other.records
      bytes += other.bytes
    }
  }

  /// Of this process, user and system.
  private static func processorSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }
}

extension RunningHost {
  /// A source that no tenant has enabled.
  fileprivate func benchRoute(_ path: String, config: JSONValue) throws -> InstanceRoute {
    let manifest = try Manifest(Self.document(path: path))
    try EnablingError.check(config, of: manifest)
    return InstanceRoute(
      tenant: TenantID(rawValue: "bench")!, instance: InstanceID(rawValue: "bench")!, manifest: manifest,
      folder: URL(fileURLWithPath: path).deletingLastPathComponent().path,
      places: EndpointPlaces(manifest, config: config), proxy: nil, hostProxy: nil,
      config: config.canonicalBytes)
  }
}
