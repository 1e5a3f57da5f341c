import CanonicalJSON
import Domain
import Identity
import SQLiteStorage

extension HostCommand {
  static let journalCommands: [HostCommand] = [
    HostCommand("journal.status", "Show segments, packs and where each tenant's journal begins and ends", role: nil) {
      call in await call.host.journalStatus()
    },
    HostCommand("journal.pack", "Move what is applied from closed segments into packs, now", role: nil) { call in
      let report = try await call.host.packNow()
      return [
        "packs": .integer(Int64(report.packs)), "entries": .integer(Int64(report.entries)),
        "pack_bytes": .integer(Int64(report.packBytes)), "segments": .integer(Int64(report.segments)),
        "segment_bytes": .integer(Int64(report.segmentBytes)),
        "waiting_for": report.waitingFor.map { .string($0) } ?? .null,
      ]
    },
    HostCommand(
      "journal.trim", "Let packs go that are older than a number of days, now", role: nil, takes: [.number("raw_days")]
    ) { call in
      let tenant = try call.tenant()
      var days: Int?
      if let number = call.number("raw_days") {
        guard (0...36_500).contains(number) else {
          throw CommandError.refused(
            code: "command.bad_days",
            message: "\(number) is no number of days from 0 to 36500.",
            remedy: "Give `--raw-days N`.")
        }
        days = Int(number)
      }
      let rule = call.host.options.settings.rawDays(of: tenant)
      guard let trim = try await call.host.trimNow(tenant, days: days ?? rule, by: days == nil ? nil : call.user) else {
        return [
          "trimmed": false, "first_position": .integer(Int64(call.host.journal.firstKept(of: .tenant(tenant)).number)),
        ]
      }
      return [
        "trimmed": true, "first_position": .integer(Int64(trim.firstKept)), "entries": .integer(Int64(trim.entries)),
        "packs": .integer(Int64(trim.packs)), "rule": .string(trim.rule),
        "snapshot": .integer(Int64(trim.snapshot)), "digest": .string(trim.digest.hex),
      ]
    },
  ]
}
