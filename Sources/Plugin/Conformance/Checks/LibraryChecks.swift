import ConnectorFabric
import Domain
import PluginHost
import SluiceHost

// A: what the file is, and what happens when it is loaded.
extension Check {
  static let library: [Check] = [
    Check("load-rtld-now", .basic, "ABI-2.5", "It loads with every symbol resolved, in the sandbox.") { stand in
      _ = try await stand.ready()
      return .fine
    },
    Check("load-time", .basic, "ABI-2.6", "It is ready within 100 ms.") { stand in
      let before = SystemSources.monotonicMs()
      _ = try await stand.ready()
      let spent = SystemSources.monotonicMs() - before
      return spent <= 100 ? .fine : .warning("It took \(spent) ms until it was ready.")
    },
    Check("exports-only-entry", .basic, "ABI-2.2", "It exports `sluice_plugin_entry` and nothing else.") { stand in
      guard let image = ELFImage(stand.subject.image) else { throw Fault("It is no ELF library that can be read.") }
      let others = image.exports.filter { $0 != "sluice_plugin_entry" }
      guard image.exports.contains("sluice_plugin_entry") else {
        throw Fault("It does not export sluice_plugin_entry.")
      }
      guard others.isEmpty else {
        throw Fault("It also exports \(listed(others)): two libraries could meet in one name.")
      }
      return .fine
    },
    Check("entry-null-unknown-factory", .basic, "ABI-2.4", "Factory ids that mean nothing give NULL.") { stand in
      let description = try await stand.description()
      let found = description.foundUnknown.map { "\"\($0)\"" }
      guard found.isEmpty else { throw Fault("get_factory gave a table for \(listed(found)).") }
      return .fine
    },
    Check("entry-pure", .basic, "ABI-2.2", "Entry and descriptors are constants, however often they are asked for.") {
      stand in
      let description = try await stand.description()
      guard description.isEntryConstant else { throw Fault("sluice_plugin_entry gave two different answers.") }
      for component in description.components where !component.isConstant {
        throw Fault("The descriptor of \(component.id) is another one when it is asked for again.")
      }
      return .fine
    },
    Check("create-trailing-garbage-id", .basic, "ABI-3.1", "An id with something behind it names nothing.") { stand in
      let id = try await stand.component().id
      for wrong in [id + "x", id + "/1", String(id.dropLast())] where !wrong.isEmpty {
        var setup = Stand.Setup()
        setup.component = wrong
        try await stand.refuses(setup, "an instance of \"\(wrong)\", which it does not have")
      }
      return .fine
    },
    Check("version-triple-match", .basic, "ABI-2.1", "Manifest, ELF note and entry name one ABI version.") { stand in
      let ready = try await stand.ready().ready!
      let declared = stand.subject.manifest.library.abiMajor
      guard ready.abiMajor == declared else {
        throw Fault("The manifest says ABI \(declared), the library \(ready.abiMajor).\(ready.abiMinor).")
      }
      let description = try await stand.description()
      guard let note = LibraryNote.find(stand.subject.image) else { throw Fault("It has no ABI note.") }
      guard note.major == description.abi.major, note.minor == description.abi.minor else {
        throw Fault(
          "The note says \(note.major).\(note.minor), the entry \(description.abi.major).\(description.abi.minor).")
      }
      return .fine
    },
    Check(
      "newer-minor-host", .standard, "ABI-1.3",
      "It works with a host of a later minor version, whose tables are larger."
    ) { stand in
      var setup = Stand.Setup()
      setup.checking = [.newerHost]
      let live = try await stand.ready(setup)
      try await stand.operation(.check, live).succeeded("A check by a newer host")
      guard stand.subject.isSource else { return .fine }
      for stream in stand.streams {
        try await stand.pull(live, stream).succeeded("A pull of \(stream) by a newer host")
      }
      return .fine
    },
    Check("no-constructor-side-effects", .standard, "ABI-2.6", "Loading it asks nothing of the system that is refused.")
    { stand in
      var setup = Stand.Setup()
      setup.checking = [.systemCalls]
      let live = try await stand.ready(setup)
      let found = try await stand.operation(.check, live).alive("A check").violations(of: "syscall")
      guard found.isEmpty else { throw Fault("Before its first operation was over: \(listed(found))") }
      return .fine
    },
  ]
}

extension Subject {
  static let isNoSource: @Sendable (Subject) -> String? = { subject in
    guard subject.isSource else { return "It is an executor." }
    return subject.manifest.streams.isEmpty ? "It has no streams." : nil
  }
  static let isNoExecutor: @Sendable (Subject) -> String? = { $0.isExecutor ? nil : "It is a source." }
  static let asksNobody: @Sendable (Subject) -> String? = { $0.asksUpstream ? nil : "It makes no requests." }
  static let isNoAskingSource: @Sendable (Subject) -> String? = { isNoSource($0) ?? asksNobody($0) }
}

extension Stand {
  /// The component that the manifest means: the one of its kind that bears its name, else the only one of its kind.
  func component() async throws -> Description.Component {
    let description = try await description()
    let factory = subject.isSource ? "sluice.source/1" : "sluice.executor/1"
    let kin = description.components.filter { $0.factory == factory }
    if let named = kin.first(where: { $0.id == subject.manifest.name }) { return named }
    guard kin.count == 1 else {
      throw Fault(
        "It has \(kin.count) components of \(factory), and none bears the manifest's name \"\(subject.manifest.name)\"."
      )
    }
    return kin[0]
  }

  /// Throws unless the plugin refuses to make an instance, by saying so.
  func refuses(_ setup: Setup, _ what: String) async throws(Fault) {
    do {
      await end(try await worker(setup))
    } catch WorkerFailure.configureRefused(let message) {
      guard !message.isEmpty else { throw Fault("Asked for \(what) it refused without a word.") }
      return
    } catch let failure as WorkerFailure {
      throw Fault("Asked for \(what): \(failure.message)", kind: Self.kind(failure))
    } catch { throw Fault("Asked for \(what): \(error)", kind: .crashed) }
    throw Fault("It made \(what).")
  }
}
