import CanonicalJSON
import Domain
import Foundation
import FoundationNetworking

/// A person at the API: judges what is held, some yes, some no, always the same ones.
struct DemoApprover {
  let address: String
  let token: String

  struct Judged {
    var approved = 0
    var rejected = 0
    var refused = 0
  }

  /// Judges every call that waits.
  func judgeAll() async throws -> Judged {
    var judged = Judged()
    for held in try await ask("approval.list", [:]).array ?? [] {
      guard let id = held["id"]?.string, let hash = held["call_hash"]?.string else { continue }
      // By the proposal's id, which does not depend on how its records arrived.
      let approves = id.utf8.first.map { $0 % 2 == 0 } ?? false
      do {
        _ = try await ask(
          approves ? "approval.approve" : "approval.reject",
          ["id": .string(id), "call_hash": .string(hash), "note": approves ? "Go ahead." : "Not this one."])
        if approves { judged.approved += 1 } else { judged.rejected += 1 }
      } catch { judged.refused += 1 }
    }
    return judged
  }

  private func ask(_ command: String, _ arguments: [String: JSONValue]) async throws -> JSONValue {
    var request = URLRequest(url: URL(string: "\(address)/api/v1/\(command)")!)
    request.httpMethod = "POST"
    request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization")
    request.setValue("application/json", forHTTPHeaderField: "Content-Type")
    var all = arguments
    all["tenant"] = .string(DemoRun.tenant.rawValue)
    request.httpBody = Data(JSONValue.object(all).canonicalBytes)
    let (data, response) = try await URLSession.shared.data(for: request)
    let answer = try JSONValue(parsing: [UInt8](data))
    guard (response as? HTTPURLResponse)?.statusCode == 200 else {
      throw DemoError.apiAnswered(answer["error"]?["code"]?.string ?? "no answer")
    }
    return answer
  }
}
