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
  }

  @Test func `is what the last order says, or the host's default`() throws {
    let store = MemoryStateStore()
    var position: UInt64 = 0
    func order(_ argument: String?) throws -> DiskQuota? {
      position += 1
      let order = Order(verb: .setDiskQuota, target: "demo", argument: argument, by: nil)
      let content = NewEntry(
        id: Digest([UInt8](repeating: UInt8(position), count: 32))!, kind: .order, cause: nil, recordedAtMs: 1,
        body: try JSONValue(encoding: order).canonicalBytes)
      let entry = Entry(
        partition: .tenant(TenantID(rawValue: "demo")!), position: Position(position), content: content)
      return try store.transaction { state in
        _ = try FabricStage().apply(entry, to: state)
        return try DiskQuota.of(state)
      }
    }
    #expect(try order(DiskQuota.argument(DiskQuota(bytes: 5))) == DiskQuota(bytes: 5))
    #expect(try order(DiskQuota.argument(DiskQuota(bytes: nil))) == DiskQuota(bytes: nil))
    #expect(try order(DiskQuota.argument(nil)) == nil)
    _ = try order("7")
    #expect(try order("garbage") == nil)
  }
}
