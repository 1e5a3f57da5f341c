import ArgumentParser
import Domain
import SluiceHost

struct JournalGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "journal", abstract: "What is kept of everything that happened, and in which form.",
    subcommands: [Status.self, Pack.self, Trim.self])

  struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show segments, packs, bytes, and where each tenant's journal begins and ends.")
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("journal.status") }
  }
  struct Pack: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Move what is applied from closed segments into packs now. A host does so by itself.")
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("journal.pack") }
  }
  struct Trim: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract:
        "Let packed entries go that are older than the tenant's rule, or than a number of days. Cannot be undone.")
    @OptionGroup var everywhere: Everywhere
    @Option(help: "Keep so many days instead of what sluice.yaml says; journaled under your name.") var rawDays: Int?
    func run() async throws {
      try await everywhere.ask("journal.trim", ["raw_days": rawDays.map { .integer(Int64($0)) }])
    }
  }
}
