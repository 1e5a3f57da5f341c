import ArgumentParser
import CanonicalJSON
import Domain
import Foundation
import SluiceHost

struct Doctor: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "What this machine offers and whether the data folder is sound.")
  @OptionGroup var everywhere: Everywhere
  @Flag(help: "Rebuild every projection from the journal and name the row that differs, of every tenant or of one.")
  var deep = false
  @Option(help: "Check a host's settings and show what they come to.") var config: String?

  func run() async throws {
    if deep {
      if everywhere.namedTenant == nil { return try await everyTenant() }
      try await everywhere.ask("doctor.deep")
      return
    }
    let settings = try config.map { try HostSettings.load($0) }
    let answer = try settings.map(\.json) ?? machine()
    print(Printer.text(answer, asJSON: everywhere.json), terminator: "")
  }

  /// One after the other; what is found in one keeps nobody from looking at the next.
  private func everyTenant() async throws {
    let names = try await everywhere.answer("tenant.list", [:]).array?.compactMap { row in
      row["tenant"]?.string
    }
    var rows: [JSONValue] = []
    var faults: [any Error] = []
    for name in names ?? [] {
      do {
        let found = try await everywhere.answer("doctor.deep", ["tenant": .string(name)])
        rows.append(.object((found.object ?? [:]).merging(["tenant": .string(name)]) { $1 }))
      } catch { faults.append(error) }
    }
    if !rows.isEmpty || faults.isEmpty { print(Printer.text(.array(rows), asJSON: everywhere.json), terminator: "") }
    for fault in faults.dropLast() { Sluice.say(fault) }
    if let last = faults.last { throw last }
  }

  /// What this machine offers to a sandbox, as the worker finds it.
  private func machine() throws -> JSONValue {
    let process = Process()
    process.executableURL = URL(
      fileURLWithPath: Installation.options(dataFolder: ".", log: .init(write: { _ in })).workerProgram)
    process.arguments = ["--probe"]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = [UInt8](output.fileHandleForReading.readDataToEndOfFile())
    process.waitUntilExit()
    guard case .object(var found) = try JSONValue(parsing: bytes) else { return .null }
    // Of a host that runs, what it does; else what one that is started from here would do.
    let running = try ControlClient.ask(
      path: everywhere.dataDir + "/control.sock", command: "doctor.limits",
      arguments: ["tenant": .string(everywhere.tenant)])
    found["limits"] = running ?? LimitEnforcement.here.json
    return .object(found)
  }
}
