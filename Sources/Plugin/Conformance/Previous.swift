package import ConnectorFabric
package import Domain

/// The version before: its manifest, and its library where that is there too.
package struct Previous: Sendable {
  package enum Library: Sendable {
    case found(path: String, image: [UInt8])
    case lacking(reason: String)
  }
  package let manifest: Manifest
  package let document: JSONValue
  package let library: Library

  package init(manifest: Manifest, document: JSONValue, library: Library) {
    self.manifest = manifest
    self.document = document
    self.library = library
  }

  /// Why it cannot be run; nil when it can.
  var lacking: String? { if case .lacking(let reason) = library { reason } else { nil } }
}

extension Subject {
  /// The version before as a plugin of its own, before the same upstream; nil without its library.
  var before: Subject? {
    guard let previous, case .found(let path, let image) = previous.library else { return nil }
    var fixtures = fixtures
    fixtures.config = configBefore ?? fixtures.config
    return Subject(
      manifest: previous.manifest, document: previous.document, library: path, image: image, fixtures: fixtures)
  }

  /// What an instance of the version before is configured with: the fixtures' configuration, without what that version did
  /// not know. It stays what it is when an operator upgrades. nil when the version before does not take it.
  var configBefore: JSONValue? {
    guard let previous else { return nil }
    var config = fixtures.config
    if let known = previous.document["config"]?["properties"]?.object, let members = config.object {
      config = .object(members.filter { known[$0.key] != nil })
    }
    return previous.manifest.misfits(of: config).isEmpty ? config : nil
  }

  /// A made-up configuration of the version before, with the fixtures' labels of hosts: chance makes none.
  func withHostsBefore(_ sample: JSONValue) -> JSONValue {
    guard let previous, case .object(var members) = sample else { return sample }
    for key in previous.manifest.endpoints.flatMap(\.base.keys) { members[key] = configBefore?[key] ?? members[key] }
    return .object(members)
  }

  static let isFirst: @Sendable (Subject) -> String? = {
    $0.previous == nil ? "There is no earlier version here." : nil
  }
  static let hadNoActions: @Sendable (Subject) -> String? = {
    $0.previous?.manifest.actions.isEmpty == true ? "The version before had no actions." : nil
  }
  static let hasNoEarlierSource: @Sendable (Subject) -> String? = { subject in
    isNoSource(subject) ?? isFirst(subject) ?? subject.previous?.lacking
  }
}
