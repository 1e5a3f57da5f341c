package import Domain

extension Manifest {
  /// The version of the manifest's own format.
  package static let formatVersion = 1

  /// Reads a manifest; the first fault is thrown with its key, its line and what is allowed.
  package init(_ document: SourceDocument) throws(DocumentError) {
    let root = DocumentReader(document)
    try root.allow([
      "sluice", "name", "version", "summary", "kind", "library", "endpoints", "slots", "requests", "streams", "webhook",
      "limits", "schedule", "actions", "config", "mapping", "conformance",
    ])
    _ = try root["sluice"].integer(in: Self.formatVersion...Self.formatVersion)
    name = try root["name"].name(InstanceID.self).rawValue
    version = try Self.version(root["version"])
    summary = try Self.line(root["summary"])
    kind = try root["kind"].choice(Kind.self)
    library = try Self.library(root["library"])
    endpoints = try Self.endpoints(root["endpoints"], config: root["config"].value ?? [:])
    slots = try Self.slots(root["slots"], endpoints)
    requests = try Self.requests(root["requests"], endpoints, slots)
    streams = try Self.streams(root["streams"], kind)
    try Self.checkAcks(root, requests, streams)
    webhook = try Self.webhook(root["webhook"], kind)
    limits = try Self.limits(root["limits"])
    schedule = root["schedule"].isPresent ? try PullSchedule(root["schedule"]) : nil
    actions = try Self.actions(root["actions"], kind, requests)
    config = try Self.config(root["config"])
    mapping = root["mapping"].value ?? [:]
    skippedChecks = try Self.skippedChecks(root["conformance"])
  }

  private static func config(_ r: DocumentReader) throws(DocumentError) -> ArgumentSchema {
    do throws(ArgumentSchema.Fault) { return try ArgumentSchema(r.value ?? ["type": "object"]) } catch {
      let place = error.path.isEmpty ? "" : " at \(error.path)"
      throw r.error(
        "a schema whose \"\(error.keyword)\"\(place) \(error.reason ?? "is not supported")",
        allowed: ArgumentSchema.keywords.union(ArgumentSchema.annotations).sorted().joined(separator: ", "))
    }
  }

  private static func version(_ r: DocumentReader) throws(DocumentError) -> String {
    let text = try r.string("a semantic version such as \"1.0.0\"")
    guard PluginVersion(text) != nil else {
      throw r.error("\"\(text.prefix(40))\"", allowed: "a semantic version such as \"1.0.0\", at most 64 characters")
    }
    return text
  }

  /// What people read of a plugin must not look like something else.
  private static func line(_ r: DocumentReader) throws(DocumentError) -> String {
    let text = try r.string("one line of text")
    guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }), text.count <= 500 else {
      throw r.error("more than a line", allowed: "one line of text, at most 500 characters, without control characters")
    }
    return text
  }

  private static func skippedChecks(_ r: DocumentReader) throws(DocumentError) -> [String: String] {
    guard r.isPresent else { return [:] }
    try r.allow(["skip"])
    var skipped: [String: String] = [:]
    for (name, member) in try r["skip"].members() {
      let reason = try member.string("the reason why this check is left out")
      guard reason.count >= 10 else {
        throw member.error("\"\(reason)\"", allowed: "a reason that somebody else understands")
      }
      skipped[name] = reason
    }
    return skipped
  }

  private static func library(_ r: DocumentReader) throws(DocumentError) -> Library {
    try r.allow(["file", "sha256", "abi"])
    let file = try r["file"].string("a file name beside the manifest")
    guard !file.contains("/") else { throw r["file"].error("a path", allowed: "a file name beside the manifest") }
    let text = try r["sha256"].string("64 hexadecimal characters")
    guard let digest = Digest(hex: text) else {
      throw r["sha256"].error("\"\(text.prefix(20))\"", allowed: "64 hexadecimal characters (`make build` writes them)")
    }
    return Library(file: file, sha256: digest, abiMajor: try r["abi"].integer(in: 1...1))
  }

  private static func endpoints(_ r: DocumentReader, config: JSONValue) throws(DocumentError) -> [Endpoint] {
    var endpoints: [Endpoint] = []
    for (key, member) in try r.members() {
      try member.allow(["base"])
      let text = try member["base"].string("an https:// address")
      guard let base = EndpointBase(text) else {
        throw member["base"].error(
          "\"\(text)\"",
          allowed:
            "https://host[:port][/path]: a name that TLS can prove, no address, wildcard or credentials; its first labels may be {key}s of `config`, before two of its own"
        )
      }
      for key in base.keys where !isRequiredText(key, config) {
        throw member["base"].error(
          "\"\(text)\", of which `config` does not require the text \"\(key)\"",
          allowed: "{key}s that `config` has among its `properties`, of type string, and under `required`")
      }
      endpoints.append(Endpoint(name: key, base: base))
    }
    return endpoints
  }

  private static func isRequiredText(_ key: String, _ schema: JSONValue) -> Bool {
    schema["properties"]?[key]?["type"]?.string == "string"
      && (schema["required"]?.array ?? []).contains { $0.string == key }
  }

  private static func requests(
    _ r: DocumentReader, _ endpoints: [Endpoint], _ slots: [Slot]
  ) throws(DocumentError) -> [Request] {
    var requests: [Request] = []
    for item in try r.items() {
      try item.allow([
        "id", "endpoint", "method", "path", "slot", "effect", "query", "headers", "idempotency_header", "precondition",
        "body",
      ])
      let id = try item["id"].string("a name for this request")
      guard !requests.contains(where: { $0.id == id }) else {
        throw item["id"].error("given twice", allowed: "a name that no other request has")
      }
      let endpoint = try one(of: endpoints.map(\.name), item["endpoint"])
      let method = try one(of: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], item["method"])
      let effect = try item["effect"].choice(Request.Effect.self)
      // A read leaves in every operation, dry runs too, and no policy is asked. Some upstreams are asked by POST.
      guard effect != .read || ["GET", "HEAD", "POST"].contains(method) else {
        throw item["effect"].error(
          "read, by \(method)", allowed: "GET, HEAD or POST for what only reads; else write or ack")
      }
      let text = try item["path"].string("a path such as /v1/deals/{id}")
      guard let path = PathTemplate(text) else {
        throw item["path"].error(
          "\"\(text)\"", allowed: "a path from \"/\" on, whole segments literal, {name} or {name}.json")
      }
      var slot: String?
      if item["slot"].isPresent {
        slot = try one(of: slots.filter { $0.endpoint == endpoint }.map(\.name), item["slot"])
      }
      let scheme = slot.flatMap { name in slots.first { $0.name == name }?.scheme }
      let ownHeaders = scheme?.hostHeaders ?? []
      let query = try names(item["query"], allowed: "a name of the query: letters, digits, . _ - ~") {
        RequestHead.isQueryName($0) && $0.lowercased() != scheme?.hostQuery?.lowercased()
      }
      let headers = try names(item["headers"], allowed: "a header that a plugin may set, not one of the host's") {
        RequestHead.mayBeDeclared($0, slotHeaders: ownHeaders)
      }
      var idempotencyHeader: String?
      var precondition: Request.Precondition?
      var body = Request.Body.json
      if effect == .write {
        idempotencyHeader =
          try item["idempotency_header"].isPresent ? header(item["idempotency_header"], ownHeaders) : nil
        precondition =
          try item["precondition"].isPresent ? item["precondition"].choice(Request.Precondition.self) : nil
        body = try item["body"].isPresent ? item["body"].choice(Request.Body.self) : .json
      } else {
        for key in ["idempotency_header", "precondition", "body"] where item[key].isPresent {
          throw item[key].error("given", allowed: "nothing, as the effect is \(effect.rawValue)")
        }
      }
      requests.append(
        Request(
          id: id, endpoint: endpoint, method: method, path: path, slot: slot, effect: effect, query: query,
          headers: headers.map { $0.lowercased() }, idempotencyHeader: idempotencyHeader, precondition: precondition,
          body: body))
    }
    return requests
  }

  /// A stream whose upstream forgets needs a request that tells it to, and such a request needs such a stream.
  private static func checkAcks(
    _ root: DocumentReader, _ requests: [Request], _ streams: [Stream]
  ) throws(DocumentError) {
    let isPruned = streams.contains { $0.delivery == .pruneOnAck }
    let acknowledges = requests.contains { $0.effect == .ack }
    if isPruned && !acknowledges {
      throw root["requests"].error(
        "no request of effect ack", allowed: "one, as a stream has the delivery prune_on_ack")
    }
    if acknowledges && !isPruned {
      throw root["streams"].error(
        "no stream of delivery prune_on_ack", allowed: "one, as a request has the effect ack")
    }
  }

  private static func names(
    _ r: DocumentReader, allowed: String, _ isAllowed: (String) -> Bool
  ) throws(DocumentError) -> [String] {
    var names: [String] = []
    for item in try r.items() {
      let name = try item.string(allowed)
      guard isAllowed(name), !names.contains(name) else { throw item.error("\"\(name)\"", allowed: allowed) }
      names.append(name)
    }
    return names
  }

  private static func header(_ r: DocumentReader, _ slotHeaders: [String]) throws(DocumentError) -> String {
    let name = try r.string("a header name")
    // The host's own name for it is reserved from plugins; every other must not be one that the host sets already.
    guard name.lowercased() == "idempotency-key" || RequestHead.mayBeDeclared(name, slotHeaders: slotHeaders) else {
      throw r.error("\"\(name)\"", allowed: "a header name such as Idempotency-Key, not another one of the host's")
    }
    return name
  }

  private static func streams(_ r: DocumentReader, _ kind: Kind) throws(DocumentError) -> [Stream] {
    var streams: [Stream] = []
    for (index, item) in try r.items().enumerated() {
      try item.allow(["name", "delivery"])
      streams.append(
        Stream(
          name: try item["name"].name(StreamName.self), delivery: try item["delivery"].choice(Delivery.self),
          order: index))
    }
    guard kind != .source || !streams.isEmpty else {
      throw r.error("missing", allowed: "at least one stream, as the kind is source")
    }
    return streams
  }

  private static func limits(_ r: DocumentReader) throws(DocumentError) -> Limits {
    var limits = Limits()
    guard r.isPresent else { return limits }
    try r.allow(Limits.fields.map(\.name))
    for field in Limits.fields where r[field.name].isPresent {
      limits[keyPath: field.path] = try r[field.name].integer(in: field.range)
    }
    guard limits.recordBytesMax * 2 <= limits.windowBytes else {
      throw r["record_bytes_max"].error(
        "more than half of window_bytes (\(limits.windowBytes))", allowed: "at most half of window_bytes")
    }
    return limits
  }

  private static func actions(
    _ r: DocumentReader, _ kind: Kind, _ requests: [Request]
  ) throws(DocumentError) -> [Action] {
    guard kind == .executor || !r.isPresent else {
      throw r.error("given", allowed: "no actions, as the kind is source")
    }
    var actions: [Action] = []
    for (key, member) in try r.members() {
      guard !key.isEmpty,
        key.utf8.allSatisfy({ $0 == 0x5F || (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) })
      else { throw member.error("named \"\(key)\"", allowed: "a name of a–z, 0–9 and _") }
      do { _ = try ArgumentSchema(member["input"].value ?? ["type": "object"]) } catch {
        throw member["input"].error(
          "a schema that is not understood", allowed: "what docs/guides/manifest.md lists for schemas")
      }
      try member.allow(["summary", "effect", "input", "writes", "compensation", "settle_ms", "cost_cents"])
      var writes: [Action.Write] = []
      for item in try member["writes"].items() { writes.append(try write(item, requests)) }
      actions.append(
        Action(
          name: key, summary: try line(member["summary"]), effect: try member["effect"].choice(EffectClass.self),
          input: member["input"].value ?? ["type": "object"], writes: writes,
          compensation: member["compensation"].isPresent ? try member["compensation"].string() : nil,
          settleMs: try member["settle_ms"].integer(in: 0...3_600_000),
          costCents: member["cost_cents"].isPresent ? try member["cost_cents"].integer(in: 0...10_000_000) : 0))
    }
    for action in actions {
      guard let undo = action.compensation, !actions.contains(where: { $0.name == undo }) else { continue }
      throw r["\(action.name).compensation"].error("\"\(undo)\"", allowed: actions.map(\.name).joined(separator: ", "))
    }
    return actions
  }

  private static func write(_ r: DocumentReader, _ requests: [Request]) throws(DocumentError) -> Action.Write {
    try r.allow(["request", "count_max", "path", "body"])
    let id = try one(of: requests.filter { $0.effect == .write }.map(\.id), r["request"])
    let names = requests.first { $0.id == id }!.path.names
    var path: [String: String] = [:]
    for (key, member) in try r["path"].members() { path[key] = try member.string("the name of an argument") }
    guard Set(path.keys) == Set(names) else {
      throw r["path"].error(
        "not the request's path", allowed: "an argument for each of " + names.joined(separator: ", "))
    }
    return Action.Write(
      request: id, countMax: try r["count_max"].integer(in: 1...100), path: path,
      body: r["body"].isPresent ? try r["body"].string("the name of an argument") : nil)
  }

  static func one(of allowed: [String], _ r: DocumentReader) throws(DocumentError) -> String {
    let text = try r.string(allowed.joined(separator: ", "))
    guard allowed.contains(text) else { throw r.error("\"\(text)\"", allowed: allowed.joined(separator: ", ")) }
    return text
  }
}
