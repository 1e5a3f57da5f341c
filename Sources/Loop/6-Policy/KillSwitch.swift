import CanonicalJSON
package import Domain

/// What an operator stops: no permit is minted for it and no start of it is accepted until it is released.
package enum KillTarget: Hashable, Sendable, CustomStringConvertible {
  case all
  case tool(String)
  case playbook(String)
  case account(String)
  case owner(String)

  /// - Returns: nil unless `text` is `all` or `tool:`, `playbook:`, `account:`, `owner:` with a name.
  package init?(_ text: String) {
    guard text != "all" else {
      self = .all
      return
    }
    guard let colon = text.firstIndex(of: ":") else { return nil }
    let name = String(text[text.index(after: colon)...])
    guard !name.isEmpty else { return nil }
    switch text[..<colon] {
    case "tool": self = .tool(name)
    case "playbook": self = .playbook(name)
    case "account": self = .account(name)
    case "owner": self = .owner(name)
    default: return nil
    }
  }

  package var description: String {
    switch self {
    case .all: "all"
    case .tool(let name): "tool:\(name)"
    case .playbook(let name): "playbook:\(name)"
    case .account(let name): "account:\(name)"
    case .owner(let name): "owner:\(name)"
    }
  }

  /// The name of the check in a verdict's reasons.
  var rule: String { "kill." + (description.split(separator: ":").first.map(String.init) ?? "all") }
}

/// A kill switch that is on.
package struct KillSwitch: Codable, Equatable, Sendable {
  package let target: String
  package let by: UserID?
  /// Why, in the operator's words.
  package let note: String?
  /// Milliseconds since 1970, as journaled.
  package let atMs: Int64

  /// target → switch, while it is on.
  package static let space = Space("policy.kill")

  var sentence: String {
    "The operator \(by?.rawValue ?? "of this host") stopped \(target == "all" ? "everything" : target)"
      + (note.map { ": \($0)." } ?? ".")
  }

  /// Every switch that is on, by target.
  package static func all(in view: any StateView) throws -> [KillSwitch] {
    try view.scan(space).map { try $0.1.decode() }
  }

  /// What stops such a call; nil when nothing does.
  package static func stops(
    tool: String, playbook: String?, account: String?, owner: String?, in view: any StateView
  ) throws -> KillTarget? {
    try stopping(tool: tool, playbook: playbook, account: account, owner: owner, in: view)?.target
  }

  /// The first switch, by generality, that stops such a call.
  static func stopping(
    tool: String, playbook: String?, account: String?, owner: String?, in view: any StateView
  ) throws -> (target: KillTarget, switch: KillSwitch)? {
    let targets: [KillTarget?] = [
      .all, .tool(tool), playbook.map(KillTarget.playbook), account.map(KillTarget.account),
      owner.map(KillTarget.owner),
    ]
    for case let target? in targets {
      if let row = try view.value(space, target.description) { return (target, try row.decode()) }
    }
    return nil
  }
}
