import Glibc

/// Which control groups hold workers to their limits: the kernel's version 2 where it has been delegated to this host, else
/// version 1, else none, and the reason.
///
/// A host takes only a group that is its own: the one it runs in, when nobody else runs there (`auto`), or below it
/// whatever else runs there when an operator says so (`below`). Under version 2 a group with processes can have none below
/// it that count (cgroups(7), "no internal processes"), so the host moves itself into a group `host` beside its workers'.
package struct ControlGroups: Sendable, Equatable {
  package enum Use: String, Sendable, CaseIterable { case auto, below, none }
  package enum Controller: String, Sendable, CaseIterable {
    case memory, pids
  }

  package let version: Int
  /// The folder in which groups are made, for each controller there is. One folder for all under version 2.
  package let parents: [Controller: String]

  package init(version: Int, parents: [Controller: String]) {
    self.version = version
    self.parents = parents
  }

  package struct Finding: Sendable, Equatable {
    package let groups: ControlGroups?
    /// Why there are none, or what is not covered by those there are.
    package let reasons: [String]
  }

  /// Looks; changes nothing.
  /// - Parameters:
  ///   - root: `/sys/fs/cgroup`.
  ///   - membership: The text of `/proc/self/cgroup`.
  package static func find(_ use: Use, root: String, membership: String, processID: Int32) -> Finding {
    guard use != .none else { return Finding(groups: nil, reasons: ["they are switched off (control_groups: none)"]) }
    let second = findSecond(use, root, membership, processID)
    if second.groups != nil { return second }
    let first = findFirst(use, root, membership, processID)
    return first.groups != nil ? first : Finding(groups: nil, reasons: second.reasons + first.reasons)
  }

  private static func findSecond(_ use: Use, _ root: String, _ membership: String, _ processID: Int32) -> Finding {
    func none(_ reason: String) -> Finding { Finding(groups: nil, reasons: ["version 2: " + reason]) }
    guard let mount = [root, root + "/unified"].first(where: { SystemFile.exists($0 + "/cgroup.controllers") }) else {
      return none("not mounted")
    }
    let lines = membership.split(separator: "\n")
    let path = lines.first { $0.hasPrefix("0::") }.map { String($0.dropFirst(3)) } ?? "/"
    let own = mount + (path == "/" ? "" : path)
    let offered = Set(
      SystemFile.text(own + "/cgroup.controllers").split(whereSeparator: \.isWhitespace).map(String.init))
    let known = Controller.allCases.filter { offered.contains($0.rawValue) }
    guard !known.isEmpty else { return none("\(own) has neither the memory nor the pids controller") }
    guard SystemFile.isWritable(own), SystemFile.isWritable(own + "/cgroup.subtree_control") else {
      return none("\(own) is not delegated to this user")
    }
    let others = members(own).subtracting([processID])
    // Not even `below` helps: the kernel refuses to let a group with processes hand controllers down.
    guard others.isEmpty else { return none("\(own) holds \(others.count) other processes") }
    let parents = Dictionary(uniqueKeysWithValues: known.map { ($0, own) })
    return Finding(groups: ControlGroups(version: 2, parents: parents), reasons: lacking(known))
  }

  private static func findFirst(_ use: Use, _ root: String, _ membership: String, _ processID: Int32) -> Finding {
    var parents: [Controller: String] = [:]
    var reasons: [String] = []
    for controller in Controller.allCases {
      func no(_ reason: String) { reasons.append("version 1, \(controller.rawValue): " + reason) }
      // 4:memory:/path, or 3:cpu,cpuacct:/path with a folder of that name.
      let line = membership.split(separator: "\n").lazy
        .map { $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false) }
        .first { $0.count == 3 && $0[1].split(separator: ",").contains(Substring(controller.rawValue)) }
      guard let line else {
        no("no such hierarchy")
        continue
      }
      let own = root + "/" + line[1] + (line[2] == "/" ? "" : line[2])
      guard SystemFile.isWritable(own), SystemFile.exists(own + "/cgroup.procs") else {
        no("\(own) cannot be written by this user")
        continue
      }
      let others = members(own).subtracting([processID]).count
      guard others == 0 || use == .below else {
        no("\(own) holds \(others) other processes (control_groups: below takes it all the same)")
        continue
      }
      parents[controller] = own
    }
    guard !parents.isEmpty else { return Finding(groups: nil, reasons: reasons) }
    return Finding(groups: ControlGroups(version: 1, parents: parents), reasons: reasons)
  }

  private static func members(_ group: String) -> Set<Int32> {
    Set(SystemFile.text(group + "/cgroup.procs").split(whereSeparator: \.isWhitespace).compactMap { Int32($0) })
  }

  private static func lacking(_ known: [Controller]) -> [String] {
    Controller.allCases.filter { !known.contains($0) }.map { "version 2 has no \($0.rawValue) controller here" }
  }

  /// Takes the groups into use, and removes what a host that died left behind.
  /// - Returns: nil, or why it cannot be done.
  package func prepare(processID: Int32) -> String? {
    for parent in Set(parents.values) {
      for name in SystemFile.names(parent) where name.hasPrefix(Self.prefix) {
        let owner = name.dropFirst(Self.prefix.count).split(separator: "-").first.flatMap { Int32($0) }
        if let owner, owner != processID, kill(owner, 0) != 0, errno == ESRCH { rmdir(parent + "/" + name) }
      }
      guard version == 2 else { continue }
      let host = parent + "/host"
      guard mkdir(host, 0o755) == 0 || errno == EEXIST, SystemFile.write("\(processID)", to: host + "/cgroup.procs"),
        SystemFile.write(
          parents.keys.map { "+\($0.rawValue)" }.sorted().joined(separator: " "), to: parent + "/cgroup.subtree_control"
        )
      else { return "\(parent): \(String(cString: strerror(errno)))" }
    }
    return nil
  }

  static let prefix = "sluice-"

  /// Makes the group of one worker.
  /// - Parameter number: one that no living worker of this host has.
  /// - Returns: nil when the kernel does not let us; the worker's own limits hold all the same.
  package func group(number: Int, processID: Int32, memoryBytes: Int, threads: Int) -> WorkerGroup? {
    var folders: [Controller: String] = [:]
    for (controller, parent) in parents {
      let folder = "\(parent)/\(Self.prefix)\(processID)-\(number)"
      guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { continue }
      folders[controller] = folder
    }
    let group = WorkerGroup(version: version, folders: folders)
    guard folders.count == parents.count, group.limit(memoryBytes: memoryBytes, processes: threads + 1) else {
      group.remove()
      return nil
    }
    return group
  }
}

/// The control group of one worker: its memory, with what the kernel holds for it, and its threads.
package struct WorkerGroup: Sendable, Equatable {
  let version: Int
  let folders: [ControlGroups.Controller: String]

  package var paths: [String] { Set(folders.values).sorted() }
  package var countsThreads: Bool { folders[.pids] != nil }
  package var countsMemory: Bool { folders[.memory] != nil }

  fileprivate func limit(memoryBytes: Int, processes: Int) -> Bool {
    if let folder = folders[.pids], !SystemFile.write("\(processes)", to: folder + "/pids.max") { return false }
    guard let folder = folders[.memory] else { return true }
    // Swap is not everywhere counted; where it is, none of it is to be had.
    if version == 2 {
      _ = SystemFile.write("0", to: folder + "/memory.swap.max")
      return SystemFile.write("\(memoryBytes)", to: folder + "/memory.max")
    }
    guard SystemFile.write("\(memoryBytes)", to: folder + "/memory.limit_in_bytes") else { return false }
    _ = SystemFile.write("\(memoryBytes)", to: folder + "/memory.memsw.limit_in_bytes")
    return true
  }

  /// Whether the kernel ended a process of it for its memory.
  package var hasRunOutOfMemory: Bool {
    guard let folder = folders[.memory] else { return false }
    return counter("oom_kill", folder + (version == 2 ? "/memory.events" : "/memory.oom_control")) > 0
  }

  /// Whether a thread was refused.
  package var hasRunOutOfThreads: Bool {
    folders[.pids].map { counter("max", $0 + "/pids.events") > 0 } ?? false
  }

  private func counter(_ name: String, _ path: String) -> Int {
    for line in SystemFile.text(path).split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == name { return Int(words[1]) ?? 0 }
    }
    return 0
  }

  /// Once its processes have ended.
  package func remove() { for folder in Set(folders.values) { rmdir(folder) } }
}

/// Small files of the kernel.
private enum SystemFile {
  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
  static func isWritable(_ path: String) -> Bool { access(path, W_OK) == 0 }

  static func text(_ path: String) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = read(file, &bytes, bytes.count)
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : ""
  }

  static func write(_ text: String, to path: String) -> Bool {
    let file = open(path, O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    return Glibc.write(file, text, text.utf8.count) == text.utf8.count
  }

  static func names(_ folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names
  }
}
