import CanonicalJSON
import ConnectorFabric
import Domain
import PluginHost

// B: what it says of itself, and what it takes for its configuration.
extension Check {
  static let descriptor: [Check] = [
    Check("descriptor-consistency", .basic, "ABI-2.4", "Its descriptor says what its manifest says.") { stand in
      let component = try await stand.component()
      let manifest = stand.subject.manifest
      guard component.version == manifest.version else {
        throw Fault("The descriptor has version \(component.version), the manifest \(manifest.version).")
      }
      return .fine
    },
    Check(
      "descriptor-fields", .basic, "ABI-2.4", "Ids, names and versions are there, trimmed, and versions are semantic."
    ) { stand in
      let description = try await stand.description()
      guard description.broken.isEmpty else { throw Fault("Broken: \(listed(description.broken)).") }
      for component in description.components {
        for (what, text) in [("id", component.id), ("name", component.name), ("version", component.version)] {
          guard !text.isEmpty, text.first != " ", text.last != " " else {
            throw Fault("The \(what) of \"\(component.id)\" is empty or has blanks around it.")
          }
        }
        guard PluginVersion(component.version) != nil else {
          throw Fault("\"\(component.version)\" is no semantic version.")
        }
      }
      return .fine
    },
    Check("components-unique", .basic, "ABI-2.4", "No two components of a factory have one id.") { stand in
      let names = try await stand.description().components.map { "\($0.factory) \($0.id)" }
      let twice = Set(names.filter { name in names.count { $0 == name } > 1 }).sorted()
      guard twice.isEmpty else { throw Fault("Twice: \(listed(twice)).") }
      return .fine
    },
    Check("params-described", .standard, "MAN-1", "Every field of the configuration has a description.") { stand in
      let bare = SchemaFields(stand.subject.configSchema).filter { $0.schema["description"]?.string?.isEmpty ?? true }
      guard bare.isEmpty else { throw Fault("Without a description: \(listed(bare.map(\.path))).") }
      return .fine
    },
    Check(
      "config-schema-valid", .basic, "MAN-1", "Defaults and examples fit the schema, and choices are distinct."
    ) { stand in
      for field in SchemaFields(stand.subject.configSchema) {
        let schema: ArgumentSchema
        do { schema = try ArgumentSchema(field.schema) } catch {
          throw Fault("`\(field.path)` has no schema that is understood.")
        }
        for sample in [field.schema["default"]].compactMap(\.self) + (field.schema["examples"]?.array ?? []) {
          do throws(ArgumentSchema.Misfit) { try schema.check(sample) } catch {
            throw Fault("`\(field.path)`: its default or example \(sample.canonicalText) is \(error.reason).")
          }
        }
        let choices = (field.schema["enum"]?.array ?? []).map(\.canonicalText)
        guard Set(choices).count == choices.count else { throw Fault("`\(field.path)` offers one choice twice.") }
      }
      let names = Set((stand.subject.configSchema["properties"]?.object ?? [:]).keys)
      let unknown = (stand.subject.configSchema["required"]?.array?.compactMap(\.string) ?? []).filter {
        !names.contains($0)
      }
      guard unknown.isEmpty else { throw Fault("Required and not described: \(listed(unknown)).") }
      return .fine
    },
    Check("configure-ok", .basic, "ABI-3.1", "It takes the configuration of its fixtures.") { stand in
      if let misfit = stand.subject.manifest.misfits(of: stand.subject.config).first {
        throw Fault("The fixtures' configuration does not fit the manifest: `\(misfit.path)` is \(misfit.reason).")
      }
      _ = try await stand.ready()
      return .fine
    },
    Check(
      "configure-missing-each-required", .standard, "ABI-4", "Without a required field it refuses, with a reason.",
      unless: { Subject.required($0).isEmpty ? "Nothing is required." : nil }
    ) { stand in
      for name in Subject.required(stand.subject) {
        var members = stand.subject.config.object ?? [:]
        members[name] = nil
        var setup = Stand.Setup()
        setup.config = .object(members)
        try await stand.refuses(setup, "an instance without `\(name)`")
      }
      return .fine
    },
    Check("configure-optional-absent", .basic, "ABI-3.1", "It works with nothing but the required fields.") { stand in
      let required = Subject.required(stand.subject)
      var setup = Stand.Setup()
      setup.config = .object((stand.subject.config.object ?? [:]).filter { required.contains($0.key) })
      _ = try await stand.ready(setup)
      return .fine
    },
    Check("secret-fields-are-slots", .basic, "ABI-6.3", "No field of the configuration asks for a secret.") { stand in
      let words = ["secret", "password", "passwd", "token", "apikey", "credential", "privatekey", "accesskey"]
      let asking = SchemaFields(stand.subject.configSchema).filter { field in
        let name = field.name.lowercased().filter { $0.isLetter }
        return words.contains { name.contains($0) } && (field.schema["type"]?.string ?? "string") == "string"
      }
      guard asking.isEmpty else {
        throw Fault(
          "\(listed(asking.map(\.path))) would hold a secret where plugins, logs and ledgers see it; declare a slot.")
      }
      return .fine
    },
    Check(
      "egress-declared", .basic, "ABI-6.3", "What it may reach is no more than what it uses.",
      unless: Subject.asksNobody
    ) { stand in
      let manifest = stand.subject.manifest
      let idleEndpoints = manifest.endpoints.map(\.name).filter { name in
        !manifest.requests.contains { $0.endpoint == name } && !manifest.slots.contains { $0.tokenEndpoint == name }
      }
      let idleSlots = manifest.slots.map(\.name).filter { name in
        !manifest.requests.contains { $0.slot == name } && manifest.webhook?.slot != name
      }
      let idleWrites = manifest.requests.filter { request in
        request.effect == .write && !manifest.actions.contains { $0.writes.contains { $0.request == request.id } }
      }.map(\.id)
      let idle = idleEndpoints + idleSlots + idleWrites
      guard idle.isEmpty else { throw Fault("Declared and used by nothing: \(listed(idle)).") }
      return .fine
    },
  ]
}

extension Manifest.Slot {
  /// Where its access tokens come from: asked by the host, without a request of the manifest.
  fileprivate var tokenEndpoint: String? {
    if case .oauth2(let grant) = scheme { grant.endpoint } else { nil }
  }
}

extension Subject {
  static func required(_ subject: Subject) -> [String] {
    subject.configSchema["required"]?.array?.compactMap(\.string) ?? []
  }
}

/// Every field of a schema, nested ones too.
private func SchemaFields(_ schema: JSONValue, _ path: String = "") -> [(path: String, name: String, schema: JSONValue)]
{
  (schema["properties"]?.object ?? [:]).sorted { $0.key < $1.key }.flatMap { name, inner in
    let place = path.isEmpty ? name : "\(path).\(name)"
    return [(place, name, inner)] + SchemaFields(inner, place)
  }
}
