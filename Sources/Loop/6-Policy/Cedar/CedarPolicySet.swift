import CanonicalJSON
import Cryptography
package import Domain

extension Cedar {
  /// Policies that are in force together.
  package struct PolicySet: Sendable {
    /// How statements get their ids.
    package enum Naming: Sendable {
      /// The annotation `@id("…")`; without one, the text's name, with `#2`, `#3`… from its second statement on.
      case byAnnotation
      /// `policy0`, `policy1`… through all texts: what Cedar's own tools do.
      case byPosition
    }

    package let statements: [Statement]
    /// Names the set: SHA-256 over the canonical JSON of its texts with their names, in the order of the names.
    package let hash: Digest

    /// - Parameter sources: Texts with their names, for positions and ids. Their order does not matter to the hash.
    /// - Throws: What the first fault is and where.
    package init(
      parsing sources: [(name: String, text: String)], naming: Naming = .byAnnotation
    ) throws(PolicyError) {
      var statements: [Statement] = []
      // Compared as Swift does, so that two that look alike are refused.
      var names: Set<String> = []
      var ids: Set<String> = []
      for source in sources {
        guard names.insert(source.name).inserted else { throw .sourceTwice(name: source.name) }
        var parser = try Parser(source: source.name, text: source.text)
        let before = statements.count
        let parsed = try parser.statements { index, annotations in
          switch naming {
          case .byPosition: "policy\(before + index)"
          case .byAnnotation: annotations["id"] ?? (index == 0 ? source.name : "\(source.name)#\(index + 1)")
          }
        }
        for statement in parsed {
          guard ids.insert(statement.id).inserted else { throw .policyTwice(id: statement.id) }
        }
        statements += parsed
      }
      self.statements = statements
      let texts = sources.sorted { Text($0.name) < Text($1.name) }
        .map { JSONValue.object(["name": .string($0.name), "text": .string($0.text)]) }
      hash = SHA256.digest(JSONValue.array(texts).canonicalBytes)
    }

    /// The statement with this id, e.g. to read the annotations of a decision's reasons.
    package subscript(id: String) -> Statement? { statements.first { $0.id == id } }

    /// Decides: default deny, a forbid overrides every permit, a statement that errs is left out and reported
    /// ([Cedar's algorithm](https://docs.cedarpolicy.com/auth/authorization.html)).
    package func decide(_ request: Request, _ entities: Entities) -> Decision {
      let evaluator = Evaluator(request: request, entities: entities)
      var satisfied: [Effect: [String]] = [:]
      var errors: [Decision.Failure] = []
      for statement in statements {
        do throws(EvaluationError) {
          if try evaluator.isSatisfied(statement) { satisfied[statement.effect, default: []].append(statement.id) }
        } catch {
          errors.append(Decision.Failure(policy: statement.id, message: error.message))
        }
      }
      if let forbids = satisfied[.forbid] { return Decision(isAllowed: false, reasons: forbids, errors: errors) }
      let permits = satisfied[.permit] ?? []
      return Decision(isAllowed: !permits.isEmpty, reasons: permits, errors: errors)
    }
  }

  /// Who wants to do what to what, and in which circumstances.
  package struct Request: Hashable, Sendable {
    package let principal: EntityUID
    package let action: EntityUID
    package let resource: EntityUID
    package let context: [Text: Value]

    package init(principal: EntityUID, action: EntityUID, resource: EntityUID, context: [Text: Value] = [:]) {
      self.principal = principal
      self.action = action
      self.resource = resource
      self.context = context
    }

    /// - Parameters:
    ///   - context: A JSON object in Cedar's form: `{"__entity": {"type": …, "id": …}}`, `{"__extn": {"fn": …, "arg": …}}`.
    ///   - schema: With one, the action's declared types say how its members are read, and the escapes may be left out.
    /// - Throws: `.valueInvalid`.
    package init(
      principal: EntityUID, action: EntityUID, resource: EntityUID, context: JSONValue, schema: Schema? = nil
    ) throws(PolicyError) {
      let type = schema?.actions[action]?.context
      let value = try Value(json: context, type: type.map(SchemaType.record), path: "context")
      guard case .record(let members) = value else {
        throw .valueInvalid(path: "context", reason: "it must be an object, not \(value.kind)")
      }
      self.init(principal: principal, action: action, resource: resource, context: members)
    }
  }

  package struct Decision: Hashable, Sendable {
    /// A statement that could not be evaluated, and why. The message names attributes and types, never values.
    package struct Failure: Hashable, Sendable {
      package let policy: String
      package let message: String
    }

    package let isAllowed: Bool
    /// The statements that determined the decision, in the set's order: forbids when one applied, else permits.
    package let reasons: [String]
    package let errors: [Failure]
  }
}
