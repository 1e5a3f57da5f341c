import Foundation
import PluginHost
import Testing

/// A made-up /sys/fs/cgroup: plain files, which its test reads back.
private final class FakeGroups {
  let root = NSTemporaryDirectory() + "groups-\(UUID().uuidString)"
  init(_ files: [String: String]) throws { for (path, text) in files { try put(path, text) } }
  deinit { try? FileManager.default.removeItem(atPath: root) }

  func put(_ path: String, _ text: String = "") throws {
    let url = URL(fileURLWithPath: root + "/" + path)
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }
  func text(_ path: String) -> String? { try? String(contentsOfFile: root + "/" + path, encoding: .utf8) }
  func find(_ membership: String, _ use: ControlGroups.Use = .auto) -> ControlGroups.Finding {
    ControlGroups.find(use, root: root, membership: membership, processID: 7)
  }
}

private let second = "0::/sluice.service\n"
private let first = "9:name=systemd:/\n8:pids:/\n4:memory:/own\n3:cpu,cpuacct:/\n"

private func delegated(_ controllers: String = "cpu memory pids", members: String = "7\n") -> [String: String] {
  [
    "cgroup.controllers": controllers, "sluice.service/cgroup.controllers": controllers,
    "sluice.service/cgroup.procs": members, "sluice.service/cgroup.subtree_control": "",
  ]
}
private let hierarchies = ["memory/own/cgroup.procs": "7\n", "pids/cgroup.procs": "7\n"]

struct `Control groups` {
  @Test func `are version 2's where the host's own group is delegated and holds nobody else`() throws {
    let fake = try FakeGroups(delegated())
    let own = fake.root + "/sluice.service"
    #expect(fake.find(second).groups == ControlGroups(version: 2, parents: [.memory: own, .pids: own]))
    #expect(fake.find(second).reasons == [])
    let half = try FakeGroups(delegated("pids"))
    #expect(half.find(second).groups?.parents.keys.map(\.rawValue) == ["pids"])
    #expect(half.find(second).reasons == ["version 2 has no memory controller here"])
  }

  @Test func `of version 2 are not taken from others, whatever an operator says`() throws {
    let fake = try FakeGroups(delegated(members: "7\n8\n9\n"))
    for use in [ControlGroups.Use.auto, .below] {
      let found = fake.find(second, use)
      #expect(found.groups == nil)
      #expect(found.reasons.contains("version 2: \(fake.root)/sluice.service holds 2 other processes"))
    }
  }

  @Test func `are version 1's where version 2 has no controllers`() throws {
    let fake = try FakeGroups(hierarchies.merging(["unified/cgroup.controllers": "hugetlb"]) { $1 })
    let found = fake.find(first + "0::/\n")
    #expect(
      found.groups
        == ControlGroups(version: 1, parents: [.memory: fake.root + "/memory/own", .pids: fake.root + "/pids"]))
  }

  @Test func `of version 1 with others in them are taken only when an operator says so`() throws {
    let fake = try FakeGroups(["memory/own/cgroup.procs": "1\n7\n", "pids/cgroup.procs": "7\n"])
    let found = fake.find(first)
    #expect(found.groups?.parents == [.pids: fake.root + "/pids"])
    #expect(found.reasons.count == 1 && found.reasons[0].contains("control_groups: below"))
    #expect(fake.find(first, .below).groups?.parents.count == 2)
  }

  @Test func `are none, with each reason, where nothing is mounted, and none where they are switched off`() throws {
    let fake = try FakeGroups(["else": ""])
    let found = fake.find("0::/\n")
    #expect(found.groups == nil)
    #expect(
      found.reasons == [
        "version 2: not mounted", "version 1, memory: no such hierarchy", "version 1, pids: no such hierarchy",
      ])
    let full = try FakeGroups(delegated())
    #expect(full.find(second, .none).groups == nil)
  }

  @Test func `of version 2 hand their controllers down once the host has moved to a group of its own`() throws {
    let fake = try FakeGroups(delegated())
    try fake.put("sluice.service/host/cgroup.procs")
    #expect(fake.find(second).groups?.prepare(processID: 7) == nil)
    #expect(fake.text("sluice.service/host/cgroup.procs") == "7")
    #expect(fake.text("sluice.service/cgroup.subtree_control") == "+memory +pids")
    let closed = try FakeGroups(delegated())
    #expect(closed.find(second).groups?.prepare(processID: 7)?.contains("sluice.service") == true)
  }

  @Test func `hold one worker to its memory and its threads, and tell what they refused`() throws {
    for version in [1, 2] {
      let fake = try FakeGroups([:])
      let memory = ["memory.max", "memory.limit_in_bytes"].map { "sluice-7-3/" + $0 }
      for file in memory + ["sluice-7-3/pids.max"] { try fake.put(file) }
      let groups = ControlGroups(version: version, parents: [.memory: fake.root, .pids: fake.root])
      let group = try #require(groups.group(number: 3, processID: 7, memoryBytes: 1 << 26, threads: 2))
      #expect(group.paths == [fake.root + "/sluice-7-3"] && group.countsThreads && group.countsMemory)
      #expect(fake.text("sluice-7-3/pids.max") == "3")
      #expect(fake.text(memory[version == 2 ? 0 : 1]) == "67108864" && fake.text(memory[version == 2 ? 1 : 0]) == "")
      #expect(!group.hasRunOutOfMemory && !group.hasRunOutOfThreads)
      try fake.put("sluice-7-3/memory.\(version == 2 ? "events" : "oom_control")", "low 0\noom_kill 1\n")
      try fake.put("sluice-7-3/pids.events", "max 4\n")
      #expect(group.hasRunOutOfMemory && group.hasRunOutOfThreads)
    }
  }

  @Test func `that cannot be written are not half used`() throws {
    let fake = try FakeGroups(["other": ""])
    let groups = ControlGroups(version: 2, parents: [.memory: fake.root])
    #expect(groups.group(number: 1, processID: 7, memoryBytes: 1, threads: 0) == nil)
    #expect(!FileManager.default.fileExists(atPath: fake.root + "/sluice-7-1"))
  }

  @Test func `of a host that died are removed by the next one`() throws {
    let fake = try FakeGroups([:])
    for name in ["sluice-4194303-1", "sluice-\(getpid())-1", "sluice-x", "mine"] {
      try FileManager.default.createDirectory(atPath: fake.root + "/" + name, withIntermediateDirectories: true)
    }
    #expect(ControlGroups(version: 1, parents: [.pids: fake.root]).prepare(processID: getpid()) == nil)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: fake.root).sorted()
        == ["mine", "sluice-\(getpid())-1", "sluice-x"])
  }
}

/// The kernel's own groups below which this process may make others.
private let live: ControlGroups? = {
  let membership = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
  let found = ControlGroups.find(.below, root: "/sys/fs/cgroup", membership: membership, processID: getpid()).groups
  // Version 2 gives its controllers to groups below only once this process has moved into one of them.
  guard let found, found.version == 1 || found.prepare(processID: getpid()) == nil else { return nil }
  let open = found.parents.filter { parent in
    let trial = "\(parent.value)/sluice-trial-\(getpid())"
    return mkdir(trial, 0o755) == 0 && rmdir(trial) == 0
  }
  return open.isEmpty ? nil : ControlGroups(version: found.version, parents: open)
}()

struct `Control groups of this machine` {
  private func run(_ attack: String, _ groups: ControlGroups, threads: Int, memoryBytes: Int) async throws -> (
    Result<OperationResult, WorkerFailure>, Recorder
  ) {
    let group = try #require(
      groups.group(
        number: Int.random(in: 100_000..<1_000_000), processID: getpid(), memoryBytes: memoryBytes, threads: threads))
    defer { #expect(!group.paths.contains { FileManager.default.fileExists(atPath: $0) }, "the group is left") }
    return try await pull(
      built + "/tests/attacker.so", config: #"{"attack": "\#(attack)"}"#,
      change: {
        $0.group = group
        // RLIMIT_NPROC counts by user, those of other tests too.
        if $0.identity != nil { $0.identity = .init(user: 61_235, group: 61_235) }
        $0.threads = 8
        $0.memoryBytes = memoryBytes
      })
  }

  @Test(.enabled(if: live?.parents[.pids] != nil, "needs a pids hierarchy below which it may make groups"))
  func `hold a worker to its threads, and are gone with it`() async throws {
    let (result, recorder) = try await run("thread_bomb", try #require(live), threads: 3, memoryBytes: 1 << 28)
    #expect(try result.get().status == .ok)
    #expect(recorder.logs.contains { $0.contains(#""count":"3""#) }, "\(recorder.logs)")
    #expect(recorder.reports == [.reached(.threads(count: 8))])
  }

  @Test(.enabled(if: live?.parents[.memory] != nil, "needs a memory hierarchy below which it may make groups"))
  func `end a worker beyond its memory, and are gone with it`() async throws {
    let (result, _) = try await run("memory_bomb", try #require(live), threads: 0, memoryBytes: 64 << 20)
    #expect(throws: WorkerFailure.overLimit(.memory(bytes: 64 << 20))) { try result.get() }
  }
}
