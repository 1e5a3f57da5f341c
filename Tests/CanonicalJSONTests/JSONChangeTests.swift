import CanonicalJSON
import Domain
import Testing

@Suite struct `Changes between documents` {
  private func changes(_ old: String, _ new: String) throws -> [String] {
    JSONChange.between(try JSONValue(parsing: old), try JSONValue(parsing: new)).map {
      "\($0.path): \($0.before?.canonicalText ?? "-") > \($0.after?.canonicalText ?? "-")"
    }
  }

  @Test(
    arguments: [
      (#"{"a": 1, "b": {"c": 2}}"#, #"{"b": {"c": 2}, "a": 1}"#, []),
      (#"{"a": 1, "b": {"c": 2}}"#, #"{"b": {"c": 3}, "d": null}"#, ["a: 1 > -", "b.c: 2 > 3", "d: - > null"]),
      (#"[1, 2]"#, #"[1, 3, 4]"#, ["[1]: 2 > 3", "[2]: - > 4"]),
      (
        #"[{"name": "x", "v": 1}, {"name": "y", "v": 1}]"#, #"[{"name": "y", "v": 2}, {"name": "x", "v": 1}]"#,
        ["[y].v: 1 > 2"]
      ),
      (#"{"a": [1]}"#, #"{"a": {"b": 1}}"#, [#"a: [1] > {"b":1}"#]),
      (
        #"{"t": "one\ntwo\nthree"}"#, #"{"t": "one\nthree\nfour"}"#,
        [#"t:2: "two" > -"#, #"t:3: - > "four""#]
      ),
    ] as [(String, String, [String])])
  func `are named by their place`(old: String, new: String, expected: [String]) throws {
    #expect(try changes(old, new) == expected)
  }
}
