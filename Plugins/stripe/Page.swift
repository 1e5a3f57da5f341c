import SluiceKit

/// One page of a list: `{"object":"list","data":[…],"has_more":false}`, newest first.
struct Page {
  let items: [JSON]
  let hasMore: Bool

  /// - Throws: ``JSONError`` for what is no such page.
  init(parsing body: [UInt8]) throws {
    let json = try JSON(parsing: body)
    guard let items = json["data"]?.array, let hasMore = json["has_more"]?.bool else {
      throw JSONError(offset: 0, reason: "an object without `data` or `has_more`")
    }
    self.items = items
    self.hasMore = hasMore
  }

  /// The object behind which the next page begins.
  var lastID: String? { items.last?["id"]?.string }
}
