package import ConnectorFabric
package import Domain

/// What is checked.
package struct Subject: Sendable {
  package let manifest: Manifest
  /// The manifest as it was written: what its schemas say.
  package let document: JSONValue
  /// The library's path and bytes.
  package let library: String
  package let image: [UInt8]
  package let fixtures: Fixtures
  /// The version before, when there is one.
  package let previous: Previous?
  /// Checks that the author leaves out, and why.
  package let skipped: [String: String]

  package init(
    manifest: Manifest, document: JSONValue, library: String, image: [UInt8], fixtures: Fixtures,
    previous: Previous? = nil, skipped: [String: String] = [:]
  ) {
    self.manifest = manifest
    self.document = document
    self.library = library
    self.image = image
    self.fixtures = fixtures
    self.previous = previous
    self.skipped = skipped
  }

  var isSource: Bool { manifest.kind == .source }
  var isExecutor: Bool { manifest.kind == .executor }
  var asksUpstream: Bool { !manifest.requests.isEmpty }
  /// The schema of its configuration, as written.
  var configSchema: JSONValue { document["config"] ?? ["type": "object"] }
  /// A configuration that works: the fixtures', with the schema's defaults left to the plugin.
  var config: JSONValue { fixtures.config }
}
