import Domain

extension HostSettings {
  static func hostNames(_ r: DocumentReader) throws(DocumentError) -> [String] {
    var names: [String] = []
    for item in try r.items() {
      let text = try item.string(hostNameForm)
      guard let name = hostName(text) else { throw item.error("\"\(text.prefix(60))\"", allowed: hostNameForm) }
      names.append(name)
    }
    return names
  }

  package static let hostNameForm = "a name with or without a port, e.g. sluice.internal or sluice.internal:8080"

  /// - Returns: nil for what is no name.
  package static func hostName(_ text: String) -> String? {
    let name = text.lowercased()
    guard !name.isEmpty, name.utf8.count <= 260, name.first != ":",
      name.utf8.allSatisfy({ byte in
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || "-._:[]".utf8.contains(byte)
      })
    else { return nil }
    return name
  }
}
