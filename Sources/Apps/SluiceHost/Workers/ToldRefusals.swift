import PluginHost

/// What the sandbox refused one instance's plugin: each thing is logged once while the host runs, and counted every time a
/// worker tells of it. Confined to the loop's thread.
final class ToldRefusals {
  /// A plugin can write such lines itself: it gets no more names than this, the rest is "other".
  private static let namesMax = 96
  private let route: InstanceRoute
  private let metrics: Metrics
  private let log: HostLog
  private var names: Set<String> = []

  init(_ route: InstanceRoute, metrics: Metrics, log: HostLog) {
    self.route = route
    self.metrics = metrics
    self.log = log
  }

  func tell(_ report: WorkerReport) {
    switch report {
    case .refusedCall(let number, let name):
      tell(name.isEmpty ? "\(number)" : name) { call in
        log.warning(
          "worker.refused_call", "The plugin asked the kernel for \(call); the sandbox refused it.",
          route.fields.merging(["call": call, "number": "\(number)"]) { $1 })
      }
    case .reached(let limit):
      tell("limit:\(limit.name)") { _ in
        log.warning(
          "worker.reached_limit",
          "The plugin wanted more than its limit of \(limit.value) (`\(limit.key)` of its manifest, or of the instance) and did not get it.",
          route.fields.merging(["limit": limit.name]) { $1 })
      }
    }
  }

  private func tell(_ name: String, _ first: (String) -> Void) {
    if !names.contains(name), names.count < Self.namesMax {
      names.insert(name)
      first(name)
    }
    metrics.refusedBySandbox(instance: route.key, what: names.contains(name) ? name : "other")
  }
}
