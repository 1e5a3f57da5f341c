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

  @Test(arguments: ["../outside", "/etc/passwd", "a/../../b", ""]) func `never leave their folder`(path: String) {
    #expect(throws: ObjectStoreError.badPath(path)) { try store.write([(path, [1])]) }
    #expect(throws: ObjectStoreError.badPath(path)) { try store.read(path) }
  }
}
