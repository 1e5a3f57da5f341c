import ArgumentParser
import CanonicalJSON
import ConnectorFabric
import Domain
import Foundation
import Shipping
import TrustLedger

struct ListAuthors: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "authors", abstract: "Show the authors whose keys are trusted, and what of theirs is installed.")
  @OptionGroup var everywhere: Everywhere

  func run() throws {
    let store = PluginStore(dataFolder: everywhere.dataDir)
    let installed = store.all().installed
    let rows = try store.trusted().sorted { $0.name < $1.name }.map { key -> JSONValue in
      let signed = installed.filter { $0.signer == key.vkey }.map { "\($0.manifest.name)@\($0.manifest.version)" }
      return [
        "author": .string(key.name), "key": .string(key.vkey), "installed": .string(signed.joined(separator: ", ")),
      ]
    }
    print(Printer.text(.array(rows), asJSON: everywhere.json), terminator: "")
  }
}

struct DistrustAuthor: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "distrust",
    abstract: "Install no more packs of an author. What is installed stays, and is named.")
  @Argument(help: "An author's name, for all keys of it, or one key, as `plugin authors` shows them.")
  var author: String
  @OptionGroup var everywhere: Everywhere

  func run() throws {
    let store = PluginStore(dataFolder: everywhere.dataDir)
    let isMeant = { (key: NoteKey) in key.name == author || key.vkey == author }
    // Looked at first: of a folder that is none, none is made.
    guard try store.trusted().contains(where: isMeant) else { throw PackError.notTrusted(author: author) }
    let gone = try store.distrust(isMeant)
    for key in gone { print("\(key.vkey) is trusted no more.".harmless) }
    let keys = Set(gone.map(\.vkey))
    for version in store.all().installed where version.signer.map(keys.contains) == true {
      print("\(version.manifest.name)@\(version.manifest.version) was signed with it and stays installed.".harmless)
    }
  }
}
