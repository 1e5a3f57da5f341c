import Foundation
import GRDB
import Testing

@testable import SQLiteStorage

@Suite struct `A database that cannot be opened` {
  private func told(_ code: ResultCode, _ reason: Int32) -> StorageError {
    StorageError(DatabaseError(resultCode: code), path: "/nowhere/k.db", purpose: .keystore) { _ in reason }
  }

  @Test(arguments: [EMFILE, ENFILE])
  func `is not said to be broken while there are as many files open as may be`(reason: Int32) {
    for code in [ResultCode.SQLITE_CANTOPEN, .SQLITE_IOERR] {
      let error = told(code, reason)
      #expect(error == .tooManyFiles(path: "/nowhere/k.db"))
      #expect(error.remedy.contains("nothing is to be restored"))
    }
  }

  @Test func `is so for another reason, or when it was opened and is damaged`() {
    #expect(told(.SQLITE_CANTOPEN, ENOENT).code == "storage.unusable_file")
    #expect(told(.SQLITE_CORRUPT, EMFILE).code == "storage.unusable_file")
    // Without what a test puts in, the file itself is asked.
    let error = StorageError(DatabaseError(resultCode: .SQLITE_CANTOPEN), path: "/dev/null", purpose: .state)
    #expect(error.code == "storage.unusable_file")
  }
}
