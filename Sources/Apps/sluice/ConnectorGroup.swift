import ArgumentParser
import CanonicalJSON
import Domain
import Foundation
import SluiceHost

struct ConnectorGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "connector", abstract: "Sources and executors of a tenant.",
    subcommands: [
      Enable.self, DryRun.self, Upgrade.self, Rollback.self, Disable.self, Pause.self, Resume.self, Run.self, Hook.self,
      Show.self,
      List.self,
    ])

  struct Enable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Enable a connector for a tenant; its whole manifest is journaled.")
    @OptionGroup var everywhere: Everywhere
    @Argument(help: "A connector's name, or the path of its manifest.") var name: String
    @Option(name: .customLong("as"), help: "What this instance is called.") var instance: String?
    @Option(help: "NAME=URL: where an endpoint really is: https and a public name, or --allow-private as well.")
    var endpoint: [String] = []
    @Flag(help: "Overridden endpoints may be private addresses and plain http.") var allowPrivate = false
    @Option(
      help:
        "URL of a proxy for all that it asks, whose login is the secret of the slot \"proxy\"; or none, not even the host's."
    ) var proxy: String?
    @Flag(help: "The first sync counts as change, not as baseline.") var replay = false
    @Flag(help: "Grant what the manifest says otherwise than the one in force.") var accept = false
    @Option(help: "A JSON file with the instance's configuration.") var config: String?
    @Option(help: "NAME=NUMBER: a limit below the manifest's, such as requests_per_second=5; several times.")
    var limit: [String] = []
    @Flag(help: "Only say what it would mean.") var plan = false
    @Flag(help: "The same, and ask the plugin whether it works and what its first pulls would bring; nothing is kept.")
    var dryRun = false
    @OptionGroup(title: "Its own times, instead of the manifest's") var times: Times

    func run() async throws {
      var arguments: [String: JSONValue?] = [
        "name": .string(name.hasSuffix(".yaml") ? OperatorFile.absolute(name) : name),
        "allow_private": .bool(allowPrivate), "replay": .bool(replay),
        "accept": .bool(accept), "plan": .bool(plan), "dry_run": .bool(dryRun),
      ]
      if let instance { arguments["instance"] = .string(instance) }
      arguments["endpoints"] = .object(try endpoints())
      if let proxy { arguments["proxy"] = .string(proxy) }
      if let config {
        arguments["config"] = try OperatorFile.json(config)
      }
      arguments["schedule"] = times.schedule
      if !limit.isEmpty { arguments["limits"] = .object(try limits()) }
      arguments["tenant"] = .string(everywhere.tenant)
      let answer = try await everywhere.answer("connector.enable", .object(arguments.compactMapValues(\.self)))
      guard case .object(var plan) = answer, let tried = plan["dry_run"] else {
        return print(Printer.text(answer, asJSON: everywhere.json), terminator: "")
      }
      plan["dry_run"] = nil
      let page = everywhere.json ? "" : Printer.text(.object(plan), asJSON: false) + "\n" + DryRunPage(tried).text
      print(everywhere.json ? Printer.text(answer, asJSON: true) : page, terminator: "")
      try DryRunPage.check(tried)
    }

    /// By name; what is no pair is refused with the usage of this command.
    func validate() throws { _ = (try endpoints(), try limits()) }

    private func endpoints() throws -> [String: JSONValue] {
      var endpoints: [String: JSONValue] = [:]
      for pair in endpoint {
        let parts = pair.split(separator: "=", maxSplits: 1)
        guard parts.count == 2 else { throw ValidationError("--endpoint takes NAME=URL, not \"\(pair)\"") }
        endpoints[String(parts[0])] = .string(String(parts[1]))
      }
      return endpoints
    }

    private func limits() throws -> [String: JSONValue] {
      var limits: [String: JSONValue] = [:]
      for pair in limit {
        let parts = pair.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, let number = Int64(parts[1]) else {
          throw ValidationError("--limit takes NAME=NUMBER, not \"\(pair)\"")
        }
        limits[String(parts[0])] = .integer(number)
      }
      return limits
    }
  }

  struct DryRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Ask a connector whether it works, and what its next pulls would bring; nothing of it is kept.",
      discussion: "Works also while it is paused or parked. Its upstream is read, never written to or told to forget.")
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    @Option(help: "Only this stream.") var stream: String?
    @Option(help: "Records to show of each stream, 1 to 100.") var records: Int64 = 5
    func run() async throws {
      let words: [String: JSONValue?] = [
        "tenant": .string(everywhere.tenant), "instance": .string(instance), "stream": stream.map { .string($0) },
        "records": .integer(records),
      ]
      let answer = try await everywhere.answer("connector.dry_run", .object(words.compactMapValues(\.self)))
      print(everywhere.json ? Printer.text(answer, asJSON: true) : DryRunPage(answer).text, terminator: "")
      try DryRunPage.check(answer)
    }
  }

  struct Upgrade: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Run a connector by another version of its plugin, from where it is.",
      discussion: "What fails leaves the version that runs running; `connector rollback` takes it back.")
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    @Option(help: "NAME, NAME@VERSION or a manifest's path (default: the newest of its plugin).") var to: String?
    @Flag(help: "Only say what would change.") var plan = false
    @Flag(help: "Grant what the new manifest says otherwise.") var accept = false
    func run() async throws {
      try await everywhere.ask(
        "connector.upgrade",
        [
          "instance": .string(instance), "plan": .bool(plan), "accept": .bool(accept),
          "name": to.map { .string($0.hasSuffix(".yaml") ? OperatorFile.absolute($0) : $0) },
        ])
    }
  }
  struct Rollback: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Go back to the version before the last upgrade.")
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    func run() async throws { try await everywhere.ask("connector.rollback", ["instance": .string(instance)]) }
  }

  struct Times: ParsableArguments {
    @Option(help: "Milliseconds from one pull to the next.") var intervalMs: Int64?
    @Option(help: "Five fields as in crontab: minute hour day month weekday.") var cron: String?
    @Option(help: "Whose clocks --cron means, such as Europe/Berlin (default: UTC).") var timeZone: String?
    @Option(help: "Add up to so many milliseconds to each time.") var jitterMs: Int64?
    @Option(help: "once: make up for a time that was missed; skip: wait for the next.") var catchUp: String?

    /// As a manifest's `schedule`; nil when nothing was said.
    var schedule: JSONValue? {
      let given: [String: JSONValue?] = [
        "interval_ms": intervalMs.map { .integer($0) }, "cron": cron.map { .string($0) },
        "time_zone": timeZone.map { .string($0) }, "jitter_ms": jitterMs.map { .integer($0) },
        "catch_up": catchUp.map { .string($0) },
      ]
      let members = given.compactMapValues(\.self)
      return members.isEmpty ? nil : .object(members)
    }
  }

  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Start nothing more of a connector until it is resumed; webhooks are still taken in.")
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    @Option(help: "Why; shown to everybody who asks.") var reason: String?
    @Flag(help: "Return when what is under way has ended and everything is applied.") var drain = false
    func run() async throws {
      try await everywhere.ask(
        "connector.pause",
        ["instance": .string(instance), "reason": reason.map { .string($0) }, "drain": .bool(drain)])
    }
  }
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show how a connector is enabled, and what it does.")
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    func run() async throws { try await everywhere.ask("connector.show", ["instance": .string(instance)]) }
  }
  struct Disable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Stop a connector and keep its checkpoints.")
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    func run() async throws { try await everywhere.ask("connector.disable", ["instance": .string(instance)]) }
  }
  struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Pull now instead of at the next time.")
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    func run() async throws { try await everywhere.ask("connector.run", ["instance": .string(instance)]) }
  }
  struct Hook: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show where a connector's webhooks are sent.")
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    func run() async throws { try await everywhere.ask("connector.hook", ["instance": .string(instance)]) }
  }
  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "End the pause or the parking of a connector.")
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    func run() async throws { try await everywhere.ask("connector.resume", ["instance": .string(instance)]) }
  }
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the connectors with their state, and how many records came since the host started.")
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("connector.list") }
  }
}
