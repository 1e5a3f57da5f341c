import Decision
import Domain
import Identity
import Policy
import WholeLoop
import WorldModel

extension HostCommand {
  static let killCommands: [HostCommand] = [
    HostCommand(
      "kill", "Stop a tool, playbook, account, owner or all, before the next action", role: .operator,
      whileSuspended: .answered, takes: [.text("target"), .text("reason"), .flag("unseen")]
    ) {
      call in
      let target = try call.killTarget()
      // A switch on a name that nothing bears stops nothing, and whoever threw it believes otherwise.
      let isThere = try await call.view { try target.isThere(in: $0) }
      guard isThere || call.arguments["unseen"]?.bool == true else { throw UnknownKillTarget(target: target) }
      return try await call.order(.kill, target: target.description, argument: call.optional("reason"))
    },
    HostCommand("unkill", "Take a kill switch back", role: .operator, takes: [.text("target")]) { call in
      let target = try call.killTarget()
      let thrown = try await call.view { try KillSwitch.all(in: $0).map(\.target) }
      guard thrown.contains(target.description) else { throw NoKillSwitch(target: target, thrown: thrown) }
      return try await call.order(.unkill, target: target.description, argument: nil)
    },
  ]
}

extension HostCommand.Call {
  fileprivate func killTarget() throws -> KillTarget {
    let text = try string("target")
    guard let target = KillTarget(text) else { throw RulesRefusal.killTargetInvalid(target: text) }
    return target
  }
}

extension KillTarget {
  /// Whether the tenant has what is to be stopped: by the name that a proposal of it would bear.
  fileprivate func isThere(in view: any StateView) throws -> Bool {
    switch self {
    case .all: true
    case .tool(let name): try LoopAssembly.catalogue(view).tools.contains { $0.name == name }
    case .playbook(let name): try DecisionStage.active(in: view).contains { $0.name == name }
    case .account(let id): try WorldQueries(view).node("account", id) != nil
    case .owner(let id): try WorldQueries(view).node("rep", id) != nil
    }
  }
}

struct UnknownKillTarget: OperatorError {
  let target: KillTarget
  var code: String { "policy.kill_target_unknown" }
  var message: String { "\(target) is not known here; nothing was stopped." }
  var remedy: String { "Correct the name, or give `--unseen` to stop what is still to come under it." }
}

struct NoKillSwitch: OperatorError {
  let target: KillTarget
  let thrown: [String]
  var code: String { "policy.no_kill_switch" }
  var message: String { "No kill switch holds \(target)." }
  var remedy: String {
    "Name one that is thrown: \(thrown.isEmpty ? "there is none" : thrown.joined(separator: ", "))."
  }
}
