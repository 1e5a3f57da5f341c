import CanonicalJSON
import Domain
import Foundation
import SluiceHost

/// What this machine offers to a sandbox, as the worker finds it.
enum Machine {
  static func show(asJSON: Bool) throws {
    let process = Process()
    process.executableURL = URL(
      fileURLWithPath: Installation.options(dataFolder: ".", log: .init(write: { _ in })).workerProgram)
    process.arguments = ["--probe"]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = [UInt8](output.fileHandleForReading.readDataToEndOfFile())
    process.waitUntilExit()
    print(Printer.text(try JSONValue(parsing: bytes), asJSON: asJSON), terminator: "")
  }
}
