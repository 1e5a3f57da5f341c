import SluiceKit

/// A list of the CRM.
enum CRMStream: String, ManifestName {
  case accounts, products, reps, opportunities

  /// JSON Schema of a record. A tombstone has only what every record has.
  var schema: JSON {
    let text: JSON = ["type": ["string", "null"]]
    let number: JSON = ["type": ["number", "null"]]
    let fields: [(String, JSON)] =
      switch self {
      case .accounts:
        [
          ("name", text), ("sector", text), ("year_established", number), ("revenue", number), ("employees", number),
          ("office_location", text), ("subsidiary_of", text),
        ]
      case .products: [("name", text), ("series", text), ("sales_price", number)]
      case .reps: [("name", text), ("manager", text), ("regional_office", text)]
      case .opportunities:
        [
          ("owner", text), ("product", text), ("account", text), ("stage", text), ("engage_date", text),
          ("close_date", text), ("close_value", number), ("expected_close_date", text),
        ]
      }
    let common: [(String, JSON)] = [
      ("id", ["type": "string"]), ("version", ["type": "integer"]),
      ("updated_at", ["type": "string", "format": "date"]), ("deleted", ["type": "boolean"]),
    ]
    return [
      "type": "object", "required": ["id", "version", "updated_at"],
      "properties": .object((common + fields).map { JSON.Member($0.0, $0.1) }),
    ]
  }
}
