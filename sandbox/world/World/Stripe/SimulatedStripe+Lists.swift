// Lists as https://docs.stripe.com/api/pagination has them: newest first, behind an object, with `has_more`.
extension SimulatedStripe {
  func page(of list: [Object], _ call: Call) -> Answer {
    let limit = call.query["limit"] ?? "10"
    guard let limit = Int(limit), (1...Self.pageMax).contains(limit) else {
      return Self.error(400, "parameter_invalid_integer", "Invalid limit: must be from 1 to \(Self.pageMax)")
    }
    let from = call.query["created[gte]"]
    guard from == nil || Int(from ?? "") != nil else {
      return Self.error(400, "parameter_invalid_integer", "Invalid integer: \(from ?? "")")
    }
    var rest = list.filter { object in
      (from.flatMap(Int.init).map { object.created >= $0 } ?? true)
        && (call.query["type"].map { Self.isOf(type: $0, object) } ?? true) && isListed(object, call)
    }[...]
    if let after = call.query["starting_after"] {
      guard let index = rest.firstIndex(where: { $0.id == after }) else {
        return Self.error(400, "resource_missing", "No such object: '\(after)'", parameter: "starting_after")
      }
      rest = rest[(index + 1)...]
    }
    let page = rest.prefix(limit)
    return Answer(
      200,
      [
        "object": "list", "url": .string(call.path), "has_more": .bool(page.count < rest.count),
        "data": .array(page.map(\.json)),
      ])
  }

  /// An event of this type, or of the group that a `*` at its end names.
  private static func isOf(type: String, _ object: Object) -> Bool {
    guard let own = object.json["type"]?.string else { return true }
    return type.hasSuffix("*") ? own.hasPrefix(type.dropLast()) : own == type
  }

  /// Subscriptions that have ended are listed to who asks for all.
  private func isListed(_ object: Object, _ call: Call) -> Bool {
    guard object.json["object"]?.string == "subscription", call.query["status"] != "all" else { return true }
    return object.json["status"]?.string != "canceled"
  }

  static func error(_ status: Int, _ code: String?, _ message: String, parameter: String? = nil) -> Answer {
    Answer(
      status,
      [
        "error": [
          "type": "invalid_request_error", "code": .text(code), "message": .string(message), "param": .text(parameter),
        ]
      ])
  }
}
