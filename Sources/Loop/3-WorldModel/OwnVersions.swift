import CanonicalJSON
import Domain

extension Space {
  /// permit → the target of a write of our own that is under way, and the version that it was decided on.
  static let writing = Space("world.writing")
  /// type/id → {"now": the version that our last write gave it, "before": those that it replaced}.
  static let written = Space("world.written")
}

/// What our own writes made of a version. A source is read once a day, so that between a receipt and the next reading the
/// receipt knows better: without it, the next call would name a version that is no more.
enum OwnVersions {
  /// So many replaced versions are remembered.
  private static let beforeMax = 16

  static func begin(_ start: EffectStart, in state: any StateTransaction) throws {
    guard let version = start.call.targetVersion else { return }
    try state.set(
      .writing, start.permit.hex,
      [
        "type": .string(start.subject.type), "id": .string(start.subject.id), "version": .string(version),
      ])
  }

  static func end(_ receipt: Receipt, in state: any StateTransaction) throws {
    guard receipt.outcome == .done || receipt.outcome == .rejected,
      let row = try state.value(.writing, receipt.permit.hex), let type = row["type"]?.string,
      let id = row["id"]?.string, let replaced = row["version"]
    else { return }
    try state.remove(.writing, receipt.permit.hex)
    guard let now = receipt.version, .string(now) != replaced else { return }
    let known = try state.value(.written, RowKey.of(type, id))
    var before = known?["before"]?.array ?? []
    for version in [known?["now"], replaced].compactMap(\.self) where !before.contains(version) {
      before.append(version)
    }
    before.removeAll { $0 == .string(now) }
    try state.set(
      .written, RowKey.of(type, id), ["now": .string(now), "before": .array(before.suffix(beforeMax))])
  }

  /// The version that our last write gave it, when `known` is one that it replaced; nil when the source has caught up.
  static func ahead(of known: String, _ type: String, _ id: String, in view: any StateView) throws -> String? {
    guard let row = try view.value(.written, RowKey.of(type, id)),
      row["before"]?.array?.contains(.string(known)) == true
    else { return nil }
    return row["now"]?.string
  }
}
