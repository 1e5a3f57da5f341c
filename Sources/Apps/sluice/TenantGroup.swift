import ArgumentParser
import CanonicalJSON
import Domain
import SluiceHost

struct TenantGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tenant", abstract: "Customers of this installation.",
    subcommands: [
      Create.self, List.self, Show.self, Mode.self, Suspend.self, Resume.self, Quota.self, Erase.self,
    ])

  struct Mode: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Set how far a tenant lets the loop go.")
    @OptionGroup var everywhere: Everywhere
    @Argument(help: "observe, propose or act.") var mode: String
    func run() async throws { try await everywhere.ask("tenant.mode", ["mode": .string(mode)]) }
  }
  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Create a tenant with its keys.")
    @OptionGroup var everywhere: Everywhere
    @Argument var name: String
    func run() async throws { try await everywhere.ask("tenant.create", ["tenant": .string(name)]) }
  }
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the tenants.")
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("tenant.list") }
  }
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show whether a tenant runs, and what it takes of the disk.")
    @OptionGroup var everywhere: Everywhere
    @Argument var name: String
    func run() async throws { try await everywhere.ask("tenant.show", ["tenant": .string(name)]) }
  }
  struct Suspend: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Stop all of a tenant until it is resumed.",
      discussion: "Effects under way end first. Senders of webhooks are told to come again; everything stays readable.")
    @OptionGroup var everywhere: Everywhere
    @Argument var name: String
    @Option(help: "Why; journaled, and told to everybody who asks for something meanwhile.") var reason: String
    func run() async throws {
      try await everywhere.ask("tenant.suspend", ["tenant": .string(name), "reason": .string(reason)])
    }
  }
  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Let a suspended tenant go on.")
    @OptionGroup var everywhere: Everywhere
    @Argument var name: String
    func run() async throws { try await everywhere.ask("tenant.resume", ["tenant": .string(name)]) }
  }
  struct Quota: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract:
        "Set how much of the disk a tenant may use before its intake pauses, and how many connectors it may have."
    )
    @OptionGroup var everywhere: Everywhere
    @Argument var name: String
    @Option(help: "10GiB, 500MB, a number of bytes; none; or default, for what sluice.yaml says.") var disk: String?
    @Option(help: "So many may be enabled at once; none; or default, for what sluice.yaml says.") var instances: String?
    func run() async throws {
      try await everywhere.ask(
        "tenant.quota",
        ["tenant": .string(name), "disk": disk.map { .string($0) }, "instances": instances.map { .string($0) }])
    }
  }
  struct Erase: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make everything of a tenant unreadable, for good.",
      discussion: "Without --confirm it only says what would go and what remains.")
    @OptionGroup var everywhere: Everywhere
    @Argument var name: String
    @Option(help: "The tenant's name once more.") var confirm: String?
    func run() async throws {
      try await everywhere.ask(
        "tenant.erase", ["tenant": .string(name), "confirm": confirm.map { .string($0) }])
    }
  }
}
