import Domain
import Foundation
import MemoryStorage
import SQLiteStorage
import TestKit
import Testing

/// The contract of `StateStore`, run on every adapter.
@Suite struct `A state store` {
  enum Adapter: String, CaseIterable { case memory, sqlite }
  func make(_ adapter: Adapter) throws -> any StateStore {
    switch adapter {
    case .memory: MemoryStateStore()
    case .sqlite: try SQLiteStateStore(path: temporaryFolder() + "/state.db")
    }
  }
  let space = Space("test.things")

  @Test(arguments: Adapter.allCases) func `gives back what was set, in key order`(adapter: Adapter) throws {
    let store = try make(adapter)
    try store.transaction { state in
      for key in ["b", "a/2", "a/1", "é", "z"] { try state.set(space, key, ["k": .string(key)]) }
      try state.remove(space, "z")
    }
    try store.view { (view: any StateView) throws -> Void in
      #expect(try view.value(space, "a/1") == ["k": "a/1"])
      #expect(try view.value(Space("test.other"), "a/1") == nil)
      #expect(try view.scan(space).map(\.0) == ["a/1", "a/2", "b", "é"])
      #expect(try view.scan(space, prefix: "a/").map(\.0) == ["a/1", "a/2"])
      #expect(try view.scan(space, from: "a/2", until: nil, reversed: false, countMax: 2).map(\.0) == ["a/2", "b"])
      #expect(try view.last(space, prefix: "a/")?.0 == "a/2")
    }
  }

  @Test(arguments: Adapter.allCases)
  func `tells keys apart and in order whatever characters they hold, and finds what stands after one`(
    adapter: Adapter
  ) throws {
    let store = try make(adapter)
    let keys = [
      "a", "a\u{0}", "a\u{0}\u{0}", "a\u{0}b", "a\u{1}", "a\u{1}\u{1}", "a\u{1}\u{2}", "a\u{2}", "a b", "aé",
      "\u{10FFFF}",
    ]
    try store.transaction { state in
      for key in keys.reversed() { try state.set(space, key, .string(key)) }
    }
    try store.view { (view: any StateView) throws -> Void in
      let all = try view.scan(space)
      #expect(all.map(\.0) == keys && all.map(\.1) == keys.map { .string($0) })
      for (index, key) in keys.enumerated() {
        #expect(try view.value(space, key) == .string(key))
        let rest = try view.scan(space, from: key + "\u{0}", until: nil, reversed: false, countMax: 100)
        #expect(rest.map(\.0) == Array(keys.dropFirst(index + 1)))
      }
    }
    try store.transaction { try $0.remove(space, "a\u{0}") }
    #expect(try store.view { try $0.scan(space).map(\.0) } == keys.filter { $0 != "a\u{0}" })
  }

  @Test(arguments: Adapter.allCases)
  func `counts the first rows of a space by the text of a member, whatever else they hold`(adapter: Adapter) throws {
    let store = try make(adapter)
    try store.transaction { state in
      let rows: [JSONValue] = [
        ["by": "a"], ["by": "b\u{e9}\"", "c": 1], ["by": "a"], ["by": 7], ["c": 2], "by", ["by": "z"],
      ]
      for (index, row) in rows.enumerated() { try state.set(space, "\(index)", row) }
      try state.set(Space("test.other"), "0", ["by": "a"])
    }
    try store.view { (view: any StateView) throws -> Void in
      #expect(try view.tally(space, by: "by", countMax: 6) == ["a": 2, "b\u{e9}\"": 1, "": 3])
      #expect(try view.tally(space, by: "by", countMax: .max)["z"] == 1)
      #expect(try view.tally(Space("test.none"), by: "by", countMax: 10) == [:])
    }
  }

  @Test(arguments: Adapter.allCases) func `counts the keys with a beginning, up to a bound`(adapter: Adapter) throws {
    let (store, space) = (try make(adapter), Space("test.counted"))
    try store.transaction { state in
      for key in ["a/1", "a/2", "a/é", "a0", "b/1", ""] { try state.set(space, key, 1) }
      try state.set(Space("test.other"), "a/3", 1)
    }
    try store.view { (view: any StateView) throws -> Void in
      #expect(try view.count(space, prefix: "a/", countMax: 10) == 3)
      #expect(try view.count(space, prefix: "a/", countMax: 2) == 2)
      #expect(try view.count(space, prefix: "", countMax: .max) == 6)
      #expect(try view.count(space, prefix: "c", countMax: 10) == 0)
      #expect(try view.count(Space("test.none"), prefix: "", countMax: 10) == 0)
    }
  }

  @Test(arguments: Adapter.allCases) func `lists the spaces that hold a row, in order`(adapter: Adapter) throws {
    let store = try make(adapter)
    try store.transaction { state in
      for name in ["b", "a", "é", "emptied"] { try state.set(Space(name), "k", 1) }
      try state.set(Space("a"), "another", 2)
      try state.remove(Space("emptied"), "k")
    }
    let spaces = try store.view { try $0.spaces() }
    #expect(spaces.map(\.rawValue) == ["a", "b", "é"])
  }

  @Test(arguments: Adapter.allCases) func `changes nothing when the transaction throws`(adapter: Adapter) throws {
    struct Stop: Error {}
    let store = try make(adapter)
    #expect(throws: Stop.self) {
      try store.transaction { state in
        try state.set(space, "a", 1)
        throw Stop()
      }
    }
    let found = try store.view { try $0.value(space, "a") }
    #expect(found == nil)
  }
}
