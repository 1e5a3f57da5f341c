import CanonicalJSON
import ConnectorFabric
import Domain
import MemoryStorage
import Testing

@Suite struct `A disk quota` {
  @Test(
    arguments: [
      ("10GiB", 10 << 30), ("500MB", 500_000_000), ("1kib", 1024), ("0", 0), ("7B", 7), ("42", 42),
      ("1048576TiB", 1 << 60),
      ("", nil), ("GiB", nil), ("-1", nil), ("+1", nil), ("1.5GiB", nil), ("10 GiB", nil), ("1e3", nil),
      ("\u{0661}", nil),
      ("1048577TiB", nil), ("99999999999999999999", nil), ("9223372036854775807TiB", nil), ("none", nil),
    ] as [(String, Int64?)])
  func `is a number of bytes, or one with a unit`(text: String, bytes: Int64?) {
    #expect(DiskQuota.size(text) == bytes)
    let beyond = ["1048577TiB", "99999999999999999999", "9223372036854775807TiB"]
    #expect(DiskQuota.isTooLarge(text) == beyond.contains(text))
  }

  @Test func `is what the last order says, or the host's default`() throws {
    let orders = Orders(.setDiskQuota)
    func follow(_ argument: String?) throws -> DiskQuota? { try orders.follow(argument) { try DiskQuota.of($0) } }
    #expect(try follow(QuotaArgument.amount(5).text) == DiskQuota(bytes: 5))
    #expect(try follow(QuotaArgument.unlimited.text) == DiskQuota(bytes: nil))
    #expect(try follow(QuotaArgument.standard.text) == nil)
    _ = try follow("7")
    #expect(try follow("garbage") == nil)
  }
}

@Suite struct `A quota of instances` {
  @Test func `is what the last order says, or the host's default`() throws {
    let orders = Orders(.setInstanceQuota)
    func follow(_ argument: String?) throws -> InstanceQuota? {
      try orders.follow(argument) { try InstanceQuota.of($0) }
    }
    #expect(try follow(QuotaArgument.amount(5).text) == InstanceQuota(count: 5))
    #expect(try follow(QuotaArgument.unlimited.text) == InstanceQuota(count: nil))
    #expect(try follow(QuotaArgument.standard.text) == nil)
    _ = try follow("0")
    #expect(try follow("1000001") == nil)
  }
}

/// Orders of one verb, applied one after the other.
private final class Orders {
  private let store = MemoryStateStore()
  private let verb: Order.Verb
  private var position: UInt64 = 0

  init(_ verb: Order.Verb) { self.verb = verb }

  func follow<Found>(_ argument: String?, _ find: (any StateView) throws -> Found) throws -> Found {
    position += 1
    let order = Order(verb: verb, target: "demo", argument: argument, by: nil)
    let content = NewEntry(
      id: Digest([UInt8](repeating: UInt8(position), count: 32))!, kind: .order, cause: nil, recordedAtMs: 1,
      body: try JSONValue(encoding: order).canonicalBytes)
    let entry = Entry(
      partition: .tenant(TenantID(rawValue: "demo")!), position: Position(position), content: content)
    return try store.transaction { state in
      _ = try FabricStage().apply(entry, to: state)
      return try find(state)
    }
  }
}
