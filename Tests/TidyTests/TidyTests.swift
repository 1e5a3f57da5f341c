import Foundation
import Testing

private let project = Project.here
private let tests = DocumentRules.testNames(in: Project.here.files)

private func expectNone(_ violations: [Violation], of rule: String, _ place: SourceLocation = #_sourceLocation) {
  for complaint in Ratchet.complaints(about: violations, of: rule) {
    Issue.record(Comment(rawValue: complaint), sourceLocation: place)
  }
}

@Suite struct `The project` {
  @Test(arguments: LineRule.all) func `keeps each rule of a line`(rule: LineRule) {
    expectNone(project.files.flatMap(rule.violations), of: rule.name)
  }

  @Test func `reads no clock, draws no randomness and does no I/O in Core and Loop`() {
    expectNone(project.files.flatMap(LineRule.pureRooms.violations), of: LineRule.pureRooms.name)
    expectNone(project.files.flatMap(LineRule.transcendental.violations), of: LineRule.transcendental.name)
  }

  @Test func `has no globals, no singletons and no registries`() {
    expectNone(project.files.flatMap(LineRule.global.violations), of: LineRule.global.name)
  }

  @Test func `has no C that runs when it is linked`() {
    let constructor = Pattern(#"__attribute__\(\(constructor|^\s*\[\[gnu::constructor"#)
    let product = project.files.filter { $0.isUnder("Sources", "Plugins") && !$0.isSwift }
    #expect(product.filter { constructor.isFound(in: $0.text) }.map(\.path) == [])
  }

  @Test func `imports only what a room may`() {
    expectNone(project.productSwift.flatMap { ImportTable.ofTheProject.violations(in: $0) }, of: "imports")
  }

  @Test func `links only what a room may import`() {
    let violations = PackageRoom.all.filter { !$0.isTest && !$0.isC }.flatMap { room in
      room.uses.filter { !(ImportTable.ofTheProject.allowed(for: room.name)?.contains($0) ?? false) }.map {
        Violation(place: room.name, sentence: "Package.swift links `\($0)`, which the room may not import.")
      }
    }
    expectNone(violations, of: "links")
  }

  @Test func `has one importer for each library`() {
    expectNone(ImportTable.ofTheProject.shared(), of: "libraries")
  }

  @Test func `lets no room of the loop see another one, but Action see Policy`() {
    let loop = PackageRoom.all.filter { $0.path.hasPrefix("Sources/Loop/") }.map(\.name)
    for room in Set(loop + ["Decision", "ToolPlane", "Action", "Learning"]) {
      let seen = ImportTable.ofTheProject.allowed(for: room) ?? ["no row"]
      let core: Set<String> = ["Domain", "CanonicalJSON", "Cryptography"]
      #expect(seen.subtracting(core) == (room == "Action" ? ["Policy"] : []), "\(room)")
    }
  }

  @Test func `gives Learning no way to write a policy`() {
    let seen = ImportTable.ofTheProject.allowed(for: "Learning") ?? ["Policy"]
    #expect(!seen.contains("Policy") && !seen.contains("Action"))
    let learning = project.files.filter { $0.isSwift && $0.isUnder("Sources/Loop/9-Learning") }
    // The kinds of an activation that are policy; thresholds are what Learning may suggest.
    let policies = Pattern(#"\bActivation\(|kind: \.(activation|choice|order)\b"#)
    #expect(learning.filter { policies.isFound(in: $0.text) }.map(\.path) == [])
  }

  @Test func `offers no call that hands out a secret`() {
    let headers = project.files.filter { $0.isUnder("Sources/Plugin/CSluicePlugin", "Sources/Plugin/CSluiceFrames") }
    let secret = Pattern(
      #"\b\w*(secret|credential|password|token)\w*_(get|read|reveal|fetch)\b|\b(get|read)_\w*secret"#)
    #expect(!headers.isEmpty)
    #expect(headers.filter { secret.isFound(in: $0.text) }.map(\.path) == [])
  }

  @Test func `never loads a plugin into the host`() {
    let loading = Pattern(#"\bdl(m)?open\("#)
    let host = project.files.filter { $0.isUnder("Sources") && !$0.isUnder("Sources/Apps/sluice-worker") }
    #expect(host.filter { $0.isSwift && loading.isFound(in: SwiftText($0.text).code.joined(separator: "\n")) }.isEmpty)
  }

  @Test func `names no file after nothing`() {
    let vague = Pattern("(Manager|Helper|Util|Common)")
    #expect(project.files.filter { vague.isFound(in: $0.name) }.map(\.path) == [])
  }

  @Test func `has no type that bears its module's name`() {
    let violations = project.productSwift.flatMap { file in
      PackageRoom.of(file.path).map { RoomRules.types(in: file, of: $0) } ?? []
    }
    expectNone(violations, of: "types")
  }

  @Test func `says of each room what comes in, goes out and never happens`() {
    let rooms = PackageRoom.all.filter { !$0.isTest && $0.kind != "system" && $0.name != "sluice-world" }
    #expect(rooms.count > 15)
    expectNone(rooms.flatMap { RoomRules.header(of: $0, project.files) }, of: "headers")
  }

  @Test func `reaches each crash point, beside each durable write`() {
    let sources = project.files.filter { $0.isSwift && $0.isUnder("Sources") }
    let points = project.text("Sources/Core/Domain/Ports/Crash.swift")
    expectNone(CrashPlaces.unreached(points: points, sources: sources), of: "crash points")
    expectNone(sources.flatMap(CrashPlaces.unwatched), of: "durable writes")
  }
}

@Suite struct `Error codes` {
  @Test func `are dotted, lower-case and unique`() {
    let entries = ErrorReference.entries()
    #expect(entries.count > 100)
    expectNone(ErrorReference.violations(entries), of: "error codes")
  }

  @Test func `are all found`() {
    let types = Pattern(#"\b(?:enum|struct) \w+: (?:\w+, )*OperatorError\b"#)
    let files = project.files.filter { $0.isSwift && $0.isUnder("Sources") && types.isFound(in: $0.text) }
    let found = Set(ErrorReference.entries().map(\.path))
    #expect(files.map(\.path).filter { !found.contains($0) } == [])
  }

  @Test func `are listed in docs/errors.md as the sources have them`() throws {
    let text = ErrorReference.markdown(ErrorReference.entries())
    if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
      try text.write(toFile: project.root + "/" + ErrorReference.path, atomically: true, encoding: .utf8)
    } else {
      let isCurrent = project.text(ErrorReference.path) == text
      #expect(isCurrent, "docs/errors.md is not what the sources say: run `make docs`.")
    }
  }
}

@Suite struct `The documents` {
  @Test func `link to what exists`() {
    #expect(project.documents.count > 10)
    expectNone(project.documents.flatMap { DocumentRules.brokenLinks(in: $0, project) }, of: "links of documents")
  }

  @Test func `and error texts name targets that make has`() {
    let targets = DocumentRules.targets(in: project.files.filter { $0.name == "Makefile" || $0.name.hasSuffix(".mk") })
    #expect(targets.contains("test"))
    expectNone(project.documents.flatMap { DocumentRules.missingTargets(in: $0, targets: targets) }, of: "make")
  }

  @Test func `map every room`() {
    let map = project.text("ARCHITECTURE.md")
    #expect(PackageRoom.all.filter { !$0.isTest && !map.contains("`\($0.path)") }.map(\.path) == [])
  }

  @Test func `prove each threat's defence by a test that exists`() {
    let named = DocumentRules.lastColumnSpans(in: project.text("SECURITY.md"))
    #expect(named.count > 10)
    #expect(named.filter { !tests.contains($0) } == [])
  }

  @Test func `name commands that the command line has`() {
    let program = project.files.filter { $0.isSwift && $0.isUnder("Sources/Apps/sluice") }
    let words = DocumentRules.commandWords(in: program)
    #expect(words.count > 10)
    let manuals = project.documents.filter { $0.isUnder("docs/guides") || $0.path == "README.md" }
    expectNone(manuals.flatMap { DocumentRules.missingCommands(in: $0, words: words) }, of: "commands")
  }

  @Test func `state eleven invariants, each with the test that fails when it is broken`() {
    let invariants = DocumentRules.invariants(in: project.text("ARCHITECTURE.md"))
    #expect(invariants.map(\.number) == Array(1...11))
    expectNone(DocumentRules.untested(invariants, tests: tests), of: "invariants")
  }
}
