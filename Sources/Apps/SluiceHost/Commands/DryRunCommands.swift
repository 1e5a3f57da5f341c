import CanonicalJSON
import ConnectorFabric
import Decision
import Domain
import Identity

extension HostCommand {
  /// What would be, asked of the plugins themselves: nothing is changed, here or outside.
  static let dryRunCommands: [HostCommand] = [
    HostCommand(
      "connector.dry_run", "Ask a connector whether it works, and what its next pulls would bring", role: .operator,
      takes: [.text("instance"), .text("stream"), .number("records")]
    ) { call in
      let (tenant, instance) = (try call.tenant(), try InstanceID(parsing: try call.string("instance")))
      let enabling = try await call.host.enabling(of: instance, tenant)
      // Whoever disabled it may have had a reason to let nobody ask it.
      guard enabling.settings.enabled else { throw DryRunError.rests(instance: instance, state: "disabled") }
      let manifest = try Manifest(SourceDocument(name: enabling.source, value: enabling.manifest, marks: [:]))
      call.logDryRun(instance.rawValue)
      return try await call.host.dryRun(enabling, manifest, of: tenant, try call.extent())
    },
    HostCommand(
      "tool.dry_run", "Ask a tool's executor what a call would do", role: .operator,
      takes: [.text("name"), .anything("arguments")]
    ) { call in
      let name = try call.string("name")
      call.logDryRun(name)
      return try await call.host.dryRun(tool: name, call.arguments["arguments"] ?? [:], of: try call.tenant())
    },
    HostCommand(
      "approval.dry_run", "Ask the executor what a held call would do now", role: .approver, takes: [.text("id")]
    ) { call in
      let id = try call.digest("id")
      let record = try await call.view { try DecisionStage.record(id, in: $0) }
      guard let proposal = record?.proposal, let held = proposal.call else {
        throw HostError.unknown("the approval \(id)", list: "approval list")
      }
      call.logDryRun(held.tool)
      return try await call.host.dryRun(
        tool: held.tool, held.arguments, playbook: proposal.playbook, account: proposal.account,
        owner: proposal.owner, of: try call.tenant())
    },
  ]
}

extension HostCommand.Call {
  func extent() throws -> DryRunExtent {
    var extent = DryRunExtent()
    extent.stream = optional("stream")
    if let records = number("records") { extent.recordsMax = Int(clamping: records) }
    return extent
  }

  /// Who had the outside asked, and of what, stands in the host's log, beside what was done.
  func logDryRun(_ what: String) {
    host.log.info(
      "dry_run.asked", "Somebody asked what would be.",
      [
        "tenant": arguments["tenant"]?.string ?? "", "of": String(what.prefix(256)), "user": user.rawValue,
        "door": door.rawValue,
      ])
  }
}
