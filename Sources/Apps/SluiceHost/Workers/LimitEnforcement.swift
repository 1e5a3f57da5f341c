package import Domain
import Foundation
package import PluginHost

/// What holds workers to the limits of their manifests on this machine, and what it does not cover.
package struct LimitEnforcement: Sendable {
  package let groups: ControlGroups?
  /// Why there are no control groups, or what is not covered by them.
  package let reasons: [String]

  /// What a host that is started here and now would use, unless its settings say otherwise. Changes nothing.
  package static var here: LimitEnforcement { find(.auto) }

  static func find(_ use: ControlGroups.Use) -> LimitEnforcement {
    let membership = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
    let found = ControlGroups.find(use, root: "/sys/fs/cgroup", membership: membership, processID: getpid())
    return LimitEnforcement(groups: found.groups, reasons: found.reasons)
  }

  /// Takes it into use.
  static func prepare(_ use: ControlGroups.Use) -> LimitEnforcement {
    let found = find(use)
    guard let groups = found.groups, let reason = groups.prepare(processID: getpid()) else { return found }
    return LimitEnforcement(groups: nil, reasons: found.reasons + [reason])
  }

  package var name: String { groups.map { "cgroup v\($0.version)" } ?? "rlimits" }

  package var json: JSONValue {
    let parents = groups?.parents ?? [:]
    let version = groups.map { "cgroup v\($0.version)" } ?? ""
    let memory =
      parents[.memory] == nil
      ? "RLIMIT_AS at `memory_bytes`: a plugin that asks for more gets none; what is only reserved counts, and what the kernel holds for the worker does not"
      : "\(version): `memory_bytes` of memory, the kernel's for it included, ended beyond it; RLIMIT_AS at four times that"
    let threads =
      parents[.pids] == nil
      ? "none unless the manifest grants some; then RLIMIT_NPROC, as root only"
      : "none unless the manifest grants some; then \(version)"
    return [
      "in_force": .string(name),
      "groups": .object(
        Dictionary(uniqueKeysWithValues: parents.map { ($0.key.rawValue, JSONValue.string($0.value)) })),
      "not_used": .array(reasons.map { .string($0) }), "memory": .string(memory), "threads": .string(threads),
      "processor": "`cpu_seconds` of each operation, by the host from the worker's processor clock",
      "files": "RLIMIT_NOFILE at `files`; plugins can open none, but for what threads need",
      "time": "`operation_timeout_ms`, then `grace_ms`, then SIGKILL, by the host",
      "not_covered": [
        "how much of the processor one plugin takes from another until its limit",
        "the sum over all workers: each has its own limit",
      ],
    ]
  }
}
