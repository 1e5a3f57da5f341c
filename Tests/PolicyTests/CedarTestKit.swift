import CanonicalJSON
import Domain
import Policy

/// A small world in which sentences about the language are tried.
enum World {
  static let ann = Cedar.EntityUID(type: "User", id: "ann")

  static func entities() throws -> Cedar.Entities {
    try Cedar.Entities(
      json: JSONValue(
        parsing: #"""
          [
            {"uid": {"type": "User", "id": "ann"}, "parents": [{"type": "Team", "id": "sales"}],
             "attrs": {"level": 5, "name": "Ann", "manager": {"__entity": {"type": "User", "id": "bob"}},
                       "home": {"__extn": {"fn": "ip", "arg": "10.1.2.3"}}, "address": {"city": "Oslo"}},
             "tags": {"region": "north"}},
            {"uid": {"type": "Team", "id": "sales"}, "parents": [{"type": "Team", "id": "everyone"}], "attrs": {}},
            {"uid": {"type": "Team", "id": "everyone"}, "parents": [], "attrs": {}},
            {"uid": {"type": "Account", "id": "acme"}, "parents": [{"type": "Team", "id": "sales"}],
             "attrs": {"owner": {"__entity": {"type": "User", "id": "ann"}}}},
            {"uid": {"type": "Action", "id": "view"}, "parents": [{"type": "Action", "id": "read"}], "attrs": {}}
          ]
          """#))
  }

  static func request(_ context: JSONValue = [:]) throws -> Cedar.Request {
    try Cedar.Request(
      principal: ann, action: Cedar.EntityUID(type: "Action", id: "view"),
      resource: Cedar.EntityUID(type: "Account", id: "acme"), context: context)
  }

  static func decide(_ text: String, context: JSONValue = ["amount": 100, "note": "renew*now"]) throws -> Cedar.Decision
  {
    try Cedar.PolicySet(parsing: [("test", text)]).decide(request(context), entities())
  }

  /// What `when { condition }` comes to: "true", "false", or the message of the error.
  static func outcome(of condition: String) throws -> String {
    let decision = try decide("permit(principal, action, resource) when { \(condition) };")
    return decision.errors.first?.message ?? String(decision.isAllowed)
  }
}
