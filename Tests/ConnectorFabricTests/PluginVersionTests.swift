import Testing

@testable import ConnectorFabric

@Suite struct `A plugin's version` {
  @Test func `comes before and after others as semantic versions do, and by its build where nothing else differs`() {
    let ordered = [
      "0.9.9", "1.0.0-1", "1.0.0-9", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
      "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.10", "1.0.0", "1.0.0+a", "1.0.0+b", "1.0.1", "1.2.0", "1.10.0",
      "2.0.0",
    ]
    for _ in 0..<20 { #expect(ordered.shuffled().compactMap(PluginVersion.init).sorted().map(\.text) == ordered) }
  }

  @Test(arguments: [
    "", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "1.0.0-a..b", "../1.0.0", "1.0.0/..",
    "1.0.0-../../x", "1.0.0+x/y", "1.0.0 ", "1.0.0\n", "1.0.0-ä", "٣.0.0", "-1.0.0", "+1.0.0", "1.0.0-\u{0}",
    "9999999999.0.0", "1.0.0-" + String(repeating: "a", count: 64),
  ])
  func `is nothing else, as it names a folder`(text: String) {
    #expect(PluginVersion(text) == nil)
  }
}
