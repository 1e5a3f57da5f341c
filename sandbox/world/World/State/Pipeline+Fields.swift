// How a row of the export looks as a record of the API.

extension Pipeline.Account {
  var fields: [String: JSONValue] {
    [
      "name": .string(name), "sector": .text(sector), "year_established": yearEstablished, "revenue": revenue,
      "employees": employees, "office_location": .text(officeLocation), "subsidiary_of": .text(parent),
    ]
  }
}

extension Pipeline.Product {
  var fields: [String: JSONValue] { ["name": .string(name), "series": .text(series), "sales_price": salesPrice] }
}

extension Pipeline.Rep {
  var fields: [String: JSONValue] {
    ["name": .string(name), "manager": .text(manager), "regional_office": .text(regionalOffice)]
  }
}

extension Pipeline.Opportunity {
  /// The deal before it was closed.
  var openFields: [String: JSONValue] {
    let stage: Pipeline.Stage = engaged == nil ? .prospecting : .engaging
    return [
      "owner": .string(owner), "product": .string(product), "account": .text(account),
      "stage": .string(stage.rawValue), "engage_date": .text(engaged?.slashed), "close_date": .null,
      "close_value": .null, "expected_close_date": .null,
    ]
  }
}
