import Domain
import FileStorage
import Foundation
import Testing

@Suite struct `Objects in files` {
  let store: FileObjectStore
  let root = NSTemporaryDirectory() + "sluice-objects-\(UUID().uuidString)"
  init() throws { store = try FileObjectStore(root: root) }

  @Test func `are read back as written, replaced whole, and listed`() throws {
    #expect(try store.read("tile/0/000") == nil)
    try store.write([("tile/0/000", [1, 2]), ("checkpoint", [3])])
    try store.write([("checkpoint", [4, 5])])
    #expect(try store.read("tile/0/000") == [1, 2])
    #expect(try store.read("checkpoint") == [4, 5])
    #expect(try store.list("") == ["checkpoint", "tile/0/000"])
  }

  @Test func `are whole when they are written part by part, or as they were`() throws {
    struct Stop: Error {}
    let parts = try store.write("a/b/large") { append in
      for part in 0..<100 { try append([UInt8](repeating: UInt8(part), count: 1_000)) }
      #expect(try store.read("a/b/large") == nil)
      return 100
    }
    #expect(parts == 100)
    #expect(try store.read("a/b/large") == (0..<100).flatMap { [UInt8](repeating: UInt8($0), count: 1_000) })
    #expect(throws: Stop.self) {
      try store.write("a/b/large") { append in
        try append([1])
        throw Stop()
      }
    }
    #expect(try store.size("a/b/large") == 100_000)
    #expect(try store.list("") == ["a/b/large"])
  }

  @Test(arguments: ["../outside", "/etc/passwd", "a/../../b", ""]) func `never leave their folder`(path: String) {
    #expect(throws: ObjectStoreError.badPath(path)) { try store.write([(path, [1])]) }
    #expect(throws: ObjectStoreError.badPath(path)) { try store.write(path) { try $0([1]) } }
    #expect(throws: ObjectStoreError.badPath(path)) { try store.read(path) }
  }
}
