import Domain
import Identity
import Synchronization
import TrustLedger

extension HostCommand {
  static let topCommands: [HostCommand] = [
    HostCommand("top", "Show what flows, what waits and why", role: .auditor) { call in
      let tenant = try call.tenant()
      let runtime = try await call.host.tenant(tenant)
      let tree = try runtime.view { try LedgerStage.tree(in: $0) }
      let letters = try runtime.deadLetters()
      let (view, instances) = try await call.host.flow(tenant, letters)
      let bottleneck = view.bottleneck
      return [
        "at_ms": .integer(SystemSources.wallClockMs()),
        "uptime_ms": .integer(SystemSources.monotonicMs() - call.host.startedMs),
        "window_ms": .integer(view.windowMs), "instances": instances,
        "bottleneck": [
          "kind": .string(bottleneck.kind.rawValue), "instance": bottleneck.instance.map { .string($0) } ?? .null,
          "percent": .integer(Int64(bottleneck.percent)), "sentence": .string(bottleneck.sentence),
        ],
        "applied_position": .integer(Int64(runtime.appliedNumber)),
        "journal_position": .integer(Int64(runtime.appliedNumber + runtime.lag)),
        "unapplied": .integer(Int64(runtime.lag)), "ledger_entries": .integer(Int64(tree.size)),
        "held": .integer(Int64(try await call.host.heldCount(tenant))),
        "dead_letters": .integer(letters.values.reduce(0, +)),
        "obstacles": .array(await call.host.obstacles().map { .string($0) }),
        "is_running": .bool(await call.host.isRunning),
      ]
    },
    HostCommand("host.ready", "Say what is in the host's way", role: nil) { call in
      [
        "address": call.host.servedAt.withLock { $0.map { .string($0) } ?? .null },
        "obstacles": .array(await call.host.obstacles().map { .string($0) }),
      ]
    },
  ]
}
