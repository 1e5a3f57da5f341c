import ArgumentParser
import Domain
import Foundation
import SluiceHost

struct Demo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Run the whole loop on a simulated CRM, one business day after the other.")

  enum Mode: String, ExpressibleByArgument, CaseIterable { case observe, act }

  @Option(help: "A folder of CRM exports; without it a pipeline is made up from the seed.") var data: String?
  @Option(help: "observe: only watch. act: policy decides what is done, held or refused.") var mode = Mode.act
  @Flag(help: "Judge held actions as user demo-approver, verify, print the closing table, end.") var auto = false
  @Option(help: "Business days a second at most; 0 is as fast as possible.") var speed = 0
  @Option(help: "Seeds what is made up.") var seed = 7
  @Flag(help: "Keep the data folder.") var keep = false
  @Option(help: "Where to write the summary.") var summary: String?
  @Option(help: "Where the console is served; port 0 takes a free one.") var listen = "127.0.0.1:7070"
  @Option(help: "The folder with `policies` and `playbooks`.") var configuration = "."
  @Option(help: "The host's data folder; without it a temporary one.") var dataDir: String?
  @Option(help: "Days to run at most.") var days: Int?
  @Option(help: "Passed to the world: lost webhooks, as a share.") var webhookLoss = "0.1"
  @Option(help: "Passed to the world: records a page at most.") var pageSize = 200
  @Option(help: "Passed to the world: requests a second; 0 is unlimited.") var requestsPerSecond = 0
  @Option(help: "Passed to the world: a file of faults.") var faults: String?
  @Option(help: "Passed to the world: a file of edits.") var edits: String?

  func run() async throws {
    if let summary { try OperatorFile.checkWritable(summary) }
    let folder = dataDir ?? NSTemporaryDirectory() + "sluice-demo-\(UUID().uuidString)"
    try OperatorFile.writing(folder) {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }
    let run = DemoRun(options: self, folder: folder)
    do { try await run.run() } catch {
      if !keep, dataDir == nil { try? FileManager.default.removeItem(atPath: folder) }
      throw error
    }
    if !keep, dataDir == nil { try? FileManager.default.removeItem(atPath: folder) }
  }

  var worldArguments: [String] {
    var arguments = ["--seed", "\(seed)", "--speed", "\(speed)", "--page-size", "\(pageSize)"]
    arguments += ["--webhook-loss", webhookLoss, "--webhook-double", "0.05", "--webhook-late", "0.1"]
    arguments += ["--requests-per-second", "\(requestsPerSecond)"]
    if let data { arguments += ["--data", data] }
    if let faults { arguments += ["--faults", faults] }
    if let edits { arguments += ["--edits", edits] }
    return arguments
  }
}
