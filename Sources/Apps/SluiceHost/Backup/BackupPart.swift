import Domain
import SQLiteStorage

/// What a part of a backup is, by its name. A name that is none of these has no place in a data folder.
enum BackupPart: Equatable {
  case segment(name: String)
  case keystore
  case erasures
  /// A file of a tenant's published logs, by its path within the tenant's `ledger`.
  case ledger(TenantID, path: String)
  /// A pack or a snapshot of a partition, by its path within the partition's folder.
  case past(partition: String, path: String)
  /// A file of an installed plugin, by its path within `plugins`.
  case plugin(path: String)

  init?(_ path: String) {
    let steps = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    // Each step leads down, to a name that a listing shows as it is.
    let isPlain = steps.allSatisfy { step in
      !step.isEmpty && step.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F }
    }
    guard isPlain else { return nil }
    switch (steps[0], steps.count) {
    case (BackupManifest.keystorePath, 1): self = .keystore
    case (BackupManifest.erasuresPath, 1): self = .erasures
    case ("journal", 2):
      guard let number = Int(steps[1].prefix { $0 != "." }), number > 0, SQLiteJournal.fileName(number) == steps[1]
      else { return nil }
      self = .segment(name: steps[1])
    case ("ledger", 3...):
      guard let tenant = TenantID(rawValue: steps[1]), Self.isOfLog(steps[2...]) else { return nil }
      self = .ledger(tenant, path: steps[2...].joined(separator: "/"))
    case ("past", 4):
      let isKnown =
        (steps[2] == "packs" && steps[3].hasSuffix(".pack"))
        || (steps[2] == "snapshots" && steps[3].hasSuffix(".snapshot"))
      guard isKnown, steps[1] == Partition.host.name || TenantID(rawValue: steps[1]) != nil,
        !steps[3].hasPrefix(".")
      else { return nil }
      self = .past(partition: steps[1], path: "\(steps[2])/\(steps[3])")
    case ("plugins", 2...):
      let isTrust = steps.count == 2 && steps[1] == InstalledPlugins.trusted
      guard isTrust || (steps.count > 3 && !steps.contains { $0.hasPrefix(".") }) else { return nil }
      self = .plugin(path: steps[1...].joined(separator: "/"))
    default: return nil
    }
  }

  /// `checkpoint`, `checkpoint.N`, `log.vkey`, `tile/…` and `payload/…`, of the first log or of a later one in its folder.
  private static func isOfLog(_ steps: ArraySlice<String>) -> Bool {
    guard let first = steps.first, !steps.contains(where: { $0.hasPrefix(".") }) else { return false }
    if first.hasPrefix("epoch-"), steps.count > 1 {
      return !steps[steps.startIndex + 1].hasPrefix("epoch-") && isOfLog(steps.dropFirst())
    }
    switch first {
    case "tile", "payload": return steps.count > 1
    case "checkpoint", "log.vkey": return steps.count == 1
    default:
      return steps.count == 1 && first.hasPrefix("checkpoint.") && Int(first.dropFirst("checkpoint.".count)) != nil
    }
  }
}
