import Testing

// Each rule is broken here on purpose: a check that cannot fail would be worse than none.

@Suite struct `A rule of a line` {
  @Test(arguments: LineRule.all) func `finds what breaks it and nothing else`(rule: LineRule) {
    for example in rule.breaks {
      let found = rule.violations(in: ProjectFile(path: example.path, text: example.text))
      #expect(!found.isEmpty, "\(rule): \(example.text)")
    }
    for example in rule.keeps {
      #expect(rule.violations(in: ProjectFile(path: example.path, text: example.text)) == [], "\(rule)")
    }
  }
}

@Suite struct `Reading Swift` {
  @Test(arguments: [
    ("let a = 1 // print(", "let a = 1          "), ("/* a /* b */ c */x", "                 x"),
    (#"f("print(\(g(")")))")"#, #"f("      \(g(" ")) ")"#), (##"#"a"b"#.c"##, ##"#"   "#.c"##),
    ("func `it's \"so\"`()", "func `it's \"so\"`()"), (#"a("\\")b"#, #"a("  ")b"#), (#"("", "x")"#, #"("", " ")"#),
  ]) func `blanks comments and literals, and keeps what is interpolated`(text: String, code: String) {
    #expect(SwiftText(text).code.joined(separator: "\n") == code)
  }

  @Test func `goes on behind a literal of several lines`() {
    let text = "let a = \"\"\"\n  \"quoted\" // no comment\n  \"\"\"\nlet b = Date()"
    let swift = SwiftText(text)
    #expect(swift.code.count == 4)
    #expect(!swift.code[1].contains("quoted"))
    #expect(swift.code[3] == "let b = Date()")
  }
}

@Suite struct `The import table` {
  private let table = ImportTable(
    markdown: """
      | room | may import |
      |---|---|
      | `Domain` | nothing |
      | `UVLoop`, `Policy` | `Domain`, `CUv` |
      | `sluice` | every room above, `Foundation` |

      | other | `Egress` |
      """)
  private let rooms = PackageRoom.all(
    in: """
        Room(name: "Domain", path: "Sources/Core/Domain"),
        Room(
          name: "UVLoop", path: "Sources/Host/UVLoop", uses: ["Domain", "CUv"]),
        Room(name: "Policy", path: "Sources/Loop/6-Policy", kind: .executable, uses: ["Domain"], packages: ["Yams"]),
        // A note.
        Room(name: "sluice", path: "Sources/Apps/sluice"),
        Room(name: "SluiceHost", path: "Sources/Apps/SluiceHost"),
      ]
      """)

  @Test func `and the package's rooms are read`() {
    #expect(table.rows.map(\.room) == ["Domain", "UVLoop", "Policy", "sluice"])
    #expect(table.allowed(for: "sluice") == ["Domain", "UVLoop", "Policy", "Foundation"])
    #expect(rooms.map(\.name) == ["Domain", "UVLoop", "Policy", "sluice", "SluiceHost"])
    #expect(
      rooms[2]
        == PackageRoom(
          name: "Policy", path: "Sources/Loop/6-Policy", kind: "executable", uses: ["Domain", "Yams"]))
    #expect(PackageRoom.of("Sources/Apps/SluiceHost/X.swift", in: rooms)?.name == "SluiceHost")
  }

  @Test func `refuses an import that the room may not make`() {
    func found(_ path: String, _ text: String) -> Int {
      table.violations(in: ProjectFile(path: path, text: text), rooms: rooms).count
    }
    #expect(found("Sources/Core/Domain/X.swift", "import Synchronization\n// import CUv\n") == 0)
    #expect(found("Sources/Core/Domain/X.swift", "package import Policy\n") == 1)
    #expect(found("Sources/Core/Domain/X.swift", "@preconcurrency internal import struct Foundation.Data\n") == 1)
    #expect(found("Sources/Apps/SluiceHost/X.swift", "") == 1, "a room without a row")
    #expect(found("Sources/Nowhere/X.swift", "") == 1, "a file without a room")
  }

  @Test func `refuses a library with two importers`() {
    #expect(table.shared(rooms: rooms).map(\.place) == ["CUv"])
  }
}

@Suite struct `A room` {
  private let room = PackageRoom(name: "Egress", path: "Sources/Host/Egress", kind: "swift", uses: [])

  @Test func `without its header is found`() {
    let without = ProjectFile(path: "Sources/Host/Egress/X.swift", text: "import CCurl\n")
    let with = ProjectFile(path: "Sources/Host/Egress/Y.swift", text: "// Egress: the only way out.\n")
    #expect(RoomRules.header(of: room, [without]).count == 1)
    #expect(RoomRules.header(of: room, [without, with]) == [])
  }

  @Test func `must not have a type of its own name`() {
    let bad = ProjectFile(path: "Sources/Host/Egress/X.swift", text: "package final class Egress {}\n")
    let good = ProjectFile(path: "Sources/Host/Egress/X.swift", text: "// enum Egress\nstruct EgressRequest {}\n")
    #expect(RoomRules.types(in: bad, of: room).count == 1)
    #expect(RoomRules.types(in: good, of: room) == [])
  }
}

@Suite struct `An error` {
  private let source = ProjectFile(
    path: "Sources/Core/Domain/X.swift",
    text: #"""
      protocol Named { var code: String { get } }
      enum XError: OperatorError {
        case full(disk: String), gone, odd(Int)
        var code: String {
          switch self {
          case .full: "x.full"
          case .gone: "x.gone"
          case .odd(let number): "x.odd.\(number)"
          }
        }
        var message: String {
          switch self {
          case .full(let disk): "The disk \(disk.prefix(9)) has \(Int.max == 1 ? "a \"byte\"" : "bytes") left: \(names.joined(separator: ")"))."
          case .gone, .odd: "It is gone."
          }
        }
        var remedy: String {
          switch self {
          case .gone: "Bring it back."
          default: "Run `chmod \(Mode.octal)`."
          }
        }
      }
      func f() { throw .refused(code: "x.late", message: "Too \(late).", remedy: "Come soon.") }
      """#)

  @Test func `is read with its code, its sentence and its remedy`() {
    let path = source.path
    #expect(
      ErrorReference.entries(in: source).sorted { $0.code < $1.code } == [
        ErrorEntry(
          code: "x.full", message: "The disk {disk} has bytes left: {names}.", remedy: "Run `chmod {octal}`.",
          path: path),
        ErrorEntry(code: "x.gone", message: "It is gone.", remedy: "Bring it back.", path: path),
        ErrorEntry(code: "x.late", message: "Too {late}.", remedy: "Come soon.", path: path),
        ErrorEntry(code: "x.odd.{number}", message: "It is gone.", remedy: "Run `chmod {octal}`.", path: path),
      ])
  }

  @Test func `code that is taken or misspelt is found`() {
    func entry(_ code: String, remedy: String = "Do it.") -> ErrorEntry {
      ErrorEntry(code: code, message: "", remedy: remedy, path: "X.swift")
    }
    #expect(ErrorReference.violations([entry("a.b"), entry("a.c"), entry("a.d.{step}")]) == [])
    #expect(ErrorReference.violations([entry("a.b"), entry("a.b")]).count == 1)
    #expect(ErrorReference.violations([entry("a.b", remedy: ""), entry("egress.a", remedy: "")]).count == 1)
    #expect(ErrorReference.violations([entry("plain"), entry("Big.letter"), entry("a.")]).count == 3)
  }
}

@Suite struct `A crash point` {
  @Test func `that nothing reaches, and a write beside none, are found`() {
    let points = "  case before = \"x.before\"\n  case after = \"x.after\"\n"
    let watched = ProjectFile(path: "Sources/A/X.swift", text: "try db.inTransaction { crash.reach(.before) }")
    let unwatched = ProjectFile(path: "Sources/A/Y.swift", text: "sql: \"INSERT INTO entry\"")
    #expect(CrashPlaces.unreached(points: points, sources: [watched]).map(\.place) == ["x.after"])
    #expect(CrashPlaces.unwatched(watched) == [])
    #expect(CrashPlaces.unwatched(unwatched).count == 1)
  }
}

@Suite struct `A document` {
  @Test func `with a link to nowhere is found`() {
    let text = """
      # A heading: `two` words
      [good](docs/abi.md) [heading](#a-heading-two-words) [web](https://x.y/z)
      [bad](docs/none.md) [worse](docs/abi.md#none) `[code](none)`
      ```
      [fenced](none)
      ```
      """
    let found = DocumentRules.brokenLinks(in: ProjectFile(path: "X.md", text: text), .here)
    #expect(found.count == 2)
    #expect(DocumentRules.resolve("../../a/b.md", beside: "docs/guides/x.md") == "a/b.md")
  }

  @Test func `that names a target make does not have is found`() {
    let makefile = ProjectFile(
      path: "Makefile", text: "BUILD := x\ntest: debug\nc-test c-bench e2e-test: x\n\tcommand: x\n")
    let targets = DocumentRules.targets(in: [makefile])
    #expect(targets == ["test", "c-test", "c-bench", "e2e-test"])
    let text =
      "Run `make test`, `make e2e-test`, then `ROOM=X make -f a.mk V=1 c-bench` and make sure; `make fly`.\n```sh\nmake swim\n```\n"
    let found = DocumentRules.missingTargets(in: ProjectFile(path: "X.md", text: text), targets: targets)
    #expect(found.map(\.sentence).sorted() == ["there is no `make fly`.", "there is no `make swim`."])
  }

  @Test func `that shows a command the program lacks is found`() {
    let program = ProjectFile(path: "Sources/Apps/sluice/X.swift", text: #"commandName: "tenant", abstract: "x""#)
    let words = DocumentRules.commandWords(in: [program])
    let text =
      "`sluice tenant list`, `sluice fly`\n```sh\nsluice up\nsluice swim\n```\n`sluice sing` does not exist yet\n"
    let found = DocumentRules.missingCommands(in: ProjectFile(path: "X.md", text: text), words: words)
    #expect(found.map(\.sentence) == ["there is no command `sluice swim`.", "there is no command `sluice fly`."])
  }

  @Test func `whose invariant has no test is found`() {
    let text = """
      # X
      ## Invariants
      1. **First.** Because.
         Tested by `a test`, `another
         test`.
      2. **Second.** Nothing yet.
      3. **Third.** Tested by `no such test`.

      ## Next
      4. **Not one.**
      """
    let invariants = DocumentRules.invariants(in: text)
    #expect(invariants.map(\.number) == [1, 2, 3])
    #expect(invariants[0].tests == ["a test", "another test"])
    #expect(
      DocumentRules.untested(invariants, tests: ["a test", "another test"]).map(\.place) == [
        "invariant 2", "invariant 3",
      ])
    let suite = ProjectFile(path: "Tests/W/x.py", text: "def test_x():\n    \"\"\"a test\"\"\"\n")
    #expect(DocumentRules.testNames(in: [suite]) == ["a test"])
  }
}

@Suite struct `The ratchet` {
  @Test func `complains of one more and of one less`() {
    let known = ["rule": ["X.swift": 1]]
    let one = Violation(place: "X.swift", sentence: "it is so.")
    let other = Violation(place: "X.swift", sentence: "it is so again.")
    #expect(Ratchet.complaints(about: [one], of: "rule", known: known) == [])
    #expect(Ratchet.complaints(about: [one, other], of: "rule", known: known).count == 2)
    #expect(Ratchet.complaints(about: [], of: "rule", known: known).count == 1)
    #expect(Ratchet.complaints(about: [one], of: "another", known: known).count == 1)
  }
}
