import Domain
import Identity
import MemoryStorage
import TestKit
import Testing

@Suite struct `The directory` {
  let directory: Directory
  let keystore = MemoryKeystore()
  let ann = UserID(rawValue: "ann")!
  let demo = TenantID(rawValue: "demo")!

  init() throws {
    directory = Directory(keystore: keystore, random: { (0..<$0).map { _ in .random(in: 0...255) } })
    try directory.create(User(id: ann, tenants: [demo], roles: [.approver]))
  }

  @Test func `a sign-in code opens one session, once, within five minutes`() throws {
    let code = try directory.issueCode(ann, nowMs: 1_000)
    let session = try #require(directory.redeem(code: code, nowMs: 2_000))
    #expect(directory.redeem(code: code, nowMs: 2_001) == nil)
    #expect(try directory.user(session: session, nowMs: 3_000)?.id == ann)
    directory.end(session: session)
    #expect(try directory.user(session: session, nowMs: 3_000) == nil)
    let late = try directory.issueCode(ann, nowMs: 0)
    #expect(directory.redeem(code: late, nowMs: Directory.codeLifetimeMs) == nil)
  }

  @Test func `a token names its user, is kept only as a hash, and a new one ends the old`() throws {
    let token = try directory.issueToken(ann)
    #expect(try directory.user(token: token)?.id == ann)
    #expect(try directory.user(token: token + "x") == nil)
    #expect(!keystore.names(withPrefix: "").contains { $0.contains(token.dropFirst(4)) })
    _ = try directory.issueToken(ann)
    #expect(try directory.user(token: token) == nil)
  }

  @Test func `an erased tenant leaves no user behind who has no other, and none of its rights to those who have`()
    throws
  {
    let other = TenantID(rawValue: "other")!
    let bob = UserID(rawValue: "bob")!
    try directory.create(User(id: bob, tenants: [demo, other], roles: [.operator]))
    let (token, bobs) = (try directory.issueToken(ann), try directory.issueToken(bob))
    let session = try #require(directory.redeem(code: try directory.issueCode(ann, nowMs: 0), nowMs: 1))
    #expect(try directory.forget(demo) == [ann])
    #expect(try directory.forget(demo) == [])
    #expect(try directory.user(token: token) == nil && directory.user(session: session, nowMs: 2) == nil)
    #expect(!keystore.names(withPrefix: "").contains { $0.contains("ann") })
    #expect(try directory.user(token: bobs)?.tenants == [other])
  }

  @Test func `a role that is revoked counts no more, and a removed user leaves neither token nor session`() throws {
    let token = try directory.issueToken(ann)
    let session = try #require(directory.redeem(code: try directory.issueCode(ann, nowMs: 0), nowMs: 1))
    #expect(throws: IdentityError.noRole("ann", role: "operator")) {
      try directory.revoke(.operator, of: ann, in: demo)
    }
    #expect(throws: IdentityError.noUser("ann")) {
      try directory.revoke(.approver, of: ann, in: TenantID(rawValue: "other")!)
    }
    #expect(try directory.revoke(.approver, of: ann, in: demo).roles == [])
    #expect(try directory.user(token: token)?.may(.auditor, in: demo) == false)
    try directory.remove(ann)
    #expect(try directory.user(token: token) == nil && directory.user(session: session, nowMs: 2) == nil)
    #expect(throws: IdentityError.noUser("ann")) { try directory.remove(ann) }
  }

  @Test func `a role counts only in the user's tenants, and everybody may read`() throws {
    let user = try directory.user(ann)
    #expect(user.may(.approver, in: demo) && user.may(.auditor, in: demo))
    #expect(!user.may(.operator, in: demo) && !user.may(.approver, in: TenantID(rawValue: "other")!))
    #expect(throws: IdentityError.userExists("ann")) { try directory.create(user) }
    #expect(throws: IdentityError.noUser("bob")) { try directory.user(UserID(rawValue: "bob")!) }
  }
}
