import Identity

/// The pages for people. Server-rendered, without JavaScript.
struct Console: Sendable {
  let backend: any EdgeBackend

  func answer(_ request: EdgeRequest) async -> EdgeResponse {
    .text(404, "There is no such page.\n")
  }
}
