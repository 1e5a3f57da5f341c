import Cryptography
import Domain

/// What was found of all logs of a tenant, and of what joins them.
package struct LogChainReport: Sendable {
  package struct Log: Sendable {
    package let origin: String
    /// nil: nothing has been published in it yet.
    package internal(set) var report: LedgerReport?
    /// From where it goes on; nil for the first.
    package internal(set) var goesOnAfter: Link?
  }
  package struct Link: Sendable {
    package let previous: String
    package let restoredSize: Int
    /// The size of the last checkpoint of the previous log that was published; 0: none.
    package let publishedSize: Int
    /// What else was published, by the log's name and its size.
    package let alsoPublished: [(origin: String, size: Int)]
  }

  /// The oldest first.
  package internal(set) var logs: [Log] = []
  /// What is wrong with how they go on; what is wrong within one is in its report.
  package internal(set) var findings: [LedgerFinding] = []

  package var allFindings: [LedgerFinding] { findings + logs.flatMap { $0.report?.findings ?? [] } }
}

/// Checks the first log of a tenant and all that were begun by restores, from their files alone: each for itself, and that each one
/// begins with an entry that tells where the one before ends and what others have seen of it.
package struct LogChain {
  private let key: LogKey
  /// The first log's name.
  private let base: String
  private let read: (_ path: String) -> [UInt8]?
  private var report = LogChainReport()
  /// By folder: empty for the first log, `epoch-N-…` for the others.
  private var promises: [String: Promise] = [:]
  /// What each log must extend, by folder.
  private var earlier: [String: [[UInt8]]] = [:]
  /// Checkpoints to which first entries commit.
  private var committed: [Promise] = []

  /// - Parameters:
  ///   - vkey: The key of one of the logs, from a place that the log's keeper does not control. They share it, under different
  ///     names.
  ///   - paths: Of all files.
  ///   - since: A signed checkpoint kept from before, of any of the logs: that log extends it, or a later one commits to it.
  ///   - read: A file by its path; nil when absent.
  package static func verify(
    vkey: String, paths: [String], since: [UInt8]? = nil, read: @escaping (_ path: String) -> [UInt8]?
  ) -> LogChainReport {
    do throws(LedgerFinding) {
      var chain = LogChain(key: try LogKey(vkey: vkey), read: read)
      chain.run(paths, since)
      return chain.report
    } catch {
      var report = LogChainReport()
      report.findings.append(error)
      return report
    }
  }

  private init(key: LogKey, read: @escaping (String) -> [UInt8]?) {
    self.key = key
    self.read = read
    var steps = key.origin.split(separator: "/", omittingEmptySubsequences: false)
    if steps.last?.hasPrefix("epoch-") == true { steps.removeLast() }
    base = steps.joined(separator: "/")
  }

  private func origin(_ folder: String) -> String { folder.isEmpty ? base : "\(base)/\(folder)" }
  private func key(_ folder: String) -> LogKey { key.named(origin(folder)) }
  private func file(_ folder: String, _ path: String) -> [UInt8]? { read(folder.isEmpty ? path : "\(folder)/\(path)") }

  private mutating func run(_ paths: [String], _ since: [UInt8]?) {
    let folders = folders(paths)
    for folder in folders {
      noting { chain throws(LedgerFinding) in
        guard let note = chain.file(folder, "checkpoint") else { return }
        chain.promises[folder] = try chain.key(folder).open(note, which: "checkpoint")
      }
    }
    var links: [String: LogChainReport.Link] = [:]
    for (folder, previous) in zip(folders.dropFirst(), folders) {
      noting { chain throws(LedgerFinding) in links[folder] = try chain.link(folder, after: previous) }
    }
    if let since { noting { chain throws(LedgerFinding) in try chain.take(since, folders) } }
    report.logs = folders.map { .init(origin: origin($0), report: found(in: $0), goesOnAfter: links[$0]) }
  }

  private func found(in folder: String) -> LedgerReport? {
    file(folder, "checkpoint").map { note in
      LedgerVerification.verify(checkpoint: note, vkey: key(folder).vkey, earlier: earlier[folder] ?? []) {
        file(folder, $0)
      }
    }
  }

  private mutating func noting(_ body: (inout LogChain) throws(LedgerFinding) -> Void) {
    do throws(LedgerFinding) { try body(&self) } catch { report.findings.append(error) }
  }

  /// Of all logs, in the order of their numbers.
  private mutating func folders(_ paths: [String]) -> [String] {
    var numbers: [String: Int] = [:]
    for path in paths where path.hasPrefix("epoch-") {
      let folder = String(path.prefix { $0 != "/" })
      let words = folder.split(separator: "-", omittingEmptySubsequences: false)
      guard words.count == 3, let number = Int(words[1]), number > 1, "epoch-\(number)-\(words[2])" == folder else {
        if numbers.updateValue(.max, forKey: folder) == nil {
          report.findings.append(.linkBroken(log: origin(folder), reason: "this is no name of a log"))
        }
        continue
      }
      numbers[folder] = number
    }
    return [""] + numbers.sorted { ($0.value, $0.key) < ($1.value, $1.key) }.map(\.key)
  }

  /// Holds a log's first entry against the log before it.
  private mutating func link(
    _ folder: String, after previous: String
  ) throws(LedgerFinding) -> LogChainReport.Link? {
    // One without a checkpoint has begun only if a later one says so, which then finds nothing to go on after.
    guard let promise = promises[folder],
      let beginning = try LogBeginning.read(size: promise.size, of: origin(folder), { file(folder, $0) })
    else { return nil }
    guard beginning.log == folder else {
      throw .linkBroken(log: origin(folder), reason: "its first entry begins \(origin(beginning.log))")
    }
    guard beginning.previous == previous else {
      throw .linkBroken(
        log: origin(folder),
        reason: "it goes on after \(origin(beginning.previous)), but the log before it is \(origin(previous))")
    }
    let end = promises[previous]
    let isAtItsEnd =
      beginning.restoredSize == 0
      ? (end?.size ?? 0) == 0 : end?.size == beginning.restoredSize && end?.root == beginning.restoredRoot
    guard isAtItsEnd else {
      throw .linkBroken(log: origin(previous), reason: "it does not end where \(origin(folder)) goes on")
    }
    let published = try beginning.published.map { note throws(LedgerFinding) in
      try commit(to: note, by: key(previous), in: folder)
    }
    var also: [(origin: String, size: Int)] = []
    for note in beginning.alsoPublished {
      let name = Self.firstLine(note)
      guard name == base || name.hasPrefix(base + "/epoch-") else {
        throw .linkBroken(log: origin(folder), reason: "its first entry tells of the log \(name), which is another's")
      }
      also.append((name, try commit(to: note, by: key.named(name), in: folder).size))
    }
    return .init(
      previous: origin(previous), restoredSize: beginning.restoredSize, publishedSize: published?.size ?? 0,
      alsoPublished: also)
  }

  /// What a first entry says of another log; as far as that log is here, it must extend it.
  private mutating func commit(
    to note: [UInt8], by key: LogKey, in folder: String
  ) throws(LedgerFinding) -> Promise {
    let promise = try key.open(note, which: "checkpoint in the first entry of \(origin(folder))")
    committed.append(promise)
    if let here = promises.first(where: { $0.value.origin == promise.origin }), promise.size <= here.value.size {
      earlier[here.key, default: []].append(note)
    }
    return promise
  }

  /// A checkpoint from elsewhere.
  private mutating func take(_ note: [UInt8], _ folders: [String]) throws(LedgerFinding) {
    let name = Self.firstLine(note)
    // What bears no name of ours is held against the newest log, and is not signed by that.
    let isOurs = name == base || name.hasPrefix(base + "/epoch-")
    let promise = try (isOurs ? key.named(name) : key(folders.last ?? "")).open(note, which: "earlier checkpoint")
    let isCommitted = committed.contains { $0.origin == name && $0.size == promise.size && $0.root == promise.root }
    guard let here = promises.first(where: { $0.value.origin == name }) else {
      guard isCommitted else {
        throw .linkBroken(log: name, reason: "it is not here, and no first entry commits to this checkpoint of it")
      }
      return
    }
    if promise.size <= here.value.size || !isCommitted { earlier[here.key, default: []].append(note) }
  }

  private static func firstLine(_ note: [UInt8]) -> String {
    String(decoding: note.prefix { $0 != 0x0A }, as: UTF8.self)
  }
}
