import CanonicalJSON
import Cryptography
import Dispatch
import Domain
import Foundation
import MemoryStorage
import SQLiteStorage
import SluiceHost
import Synchronization
import Testing
import WholeLoop

private struct OpenSealer: Sealer {
  func seal(_ plaintext: [UInt8], for partition: Partition, context: [UInt8]) -> [UInt8] { plaintext }
  func open(_ sealed: [UInt8], for partition: Partition, context: [UInt8]) -> [UInt8] { sealed }
}

/// A store during whose every transaction something new becomes durable, so many times.
private final class FloodingStore: StateStore {
  private let inner = MemoryStateStore()
  private let left: Mutex<Int>
  let bring = Mutex<(@Sendable () async throws -> Void)?>(nil)

  init(_ count: Int) { left = Mutex(count) }
  var isOver: Bool { left.withLock { $0 == 0 } }

  func transaction<Result>(_ body: (any StateTransaction) throws -> Result) throws -> Result {
    let result = try inner.transaction(body)
    let isMore = left.withLock { left in
      defer { left = max(0, left - 1) }
      return left > 0
    }
    if isMore, let bring = bring.withLock({ $0 }) {
      let isDurable = DispatchSemaphore(value: 0)
      Task.detached {
        try? await bring()
        isDurable.signal()
      }
      isDurable.wait()
    }
    return result
  }

  func view<Result>(_ body: (any StateView) throws -> Result) throws -> Result { try inner.view(body) }
}

@Suite struct `A tenant whose line never ends` {
  private static func order(_ number: Int) throws -> NewEntry {
    let order = Order(verb: .unkill, target: "all", argument: nil, by: nil)
    return NewEntry(
      id: StableID.of("order", ["\(number)"]), kind: .order, cause: nil, recordedAtMs: 1,
      body: try JSONValue(encoding: order).canonicalBytes)
  }

  @Test func `still tells of what is applied, and who waits for an entry of it`() async throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let journal = try SQLiteJournal(
      folder: folder, sealer: OpenSealer(), random: { [UInt8](repeating: 7, count: $0) })
    let store = FloodingStore(300)
    let runtime = TenantRuntime(
      tenant: TenantID(rawValue: "demo")!, journal: journal, store: store, assembly: LoopAssembly(),
      metrics: Metrics())
    try await runtime.start()
    let number = Mutex(0)
    store.bring.withLock {
      $0 = {
        let next = number.withLock { number in
          number += 1
          return number
        }
        try await runtime.append([Self.order(next)])
      }
    }
    let toldAmid = Mutex(0)
    await runtime.observe { if !store.isOver { toldAmid.withLock { $0 += 1 } } }
    let first = try await runtime.append([Self.order(0)])[0]
    try await runtime.applied(to: first)
    #expect(!store.isOver)
    try await runtime.when { _ in store.isOver }
    #expect(toldAmid.withLock { $0 } > 100)
    try await runtime.settle()
    #expect(runtime.appliedNumber == 301)
    try await journal.close()
  }
}
