package import Domain
import Foundation
import Synchronization

/// A disk's reserve as a file that takes room until it is needed.
package final class DiskBallast: DiskReserve {
  private let folder: String
  private let file: String
  private let lowWaterBytes: Int
  private let ballastBytes: Int
  private let isHeld: Mutex<Bool>

  /// Makes the file where there is room for it.
  /// - Parameters:
  ///   - lowWaterBytes: Below this much free space nothing new is taken in.
  ///   - ballastBytes: What the file holds back; 0 for none.
  package init(folder: String, lowWaterBytes: Int, ballastBytes: Int) {
    self.folder = folder
    self.lowWaterBytes = lowWaterBytes
    self.ballastBytes = ballastBytes
    file = folder + "/ballast"
    isHeld = Mutex(false)
    isHeld.withLock { $0 = make() }
  }

  /// Also takes the ballast back once there is room for it and for intake.
  package func shortage() -> DiskShortage? {
    guard let free = Self.freeBytes(folder) else { return nil }
    return isHeld.withLock { isHeld in
      let needed = lowWaterBytes + (isHeld ? 0 : ballastBytes)
      guard free >= needed else { return DiskShortage(path: folder, freeBytes: free, neededBytes: needed) }
      if !isHeld { isHeld = make() }
      return nil
    }
  }

  package func release() -> Bool {
    isHeld.withLock { isHeld in
      guard isHeld, ballastBytes > 0, unlink(file) == 0 else { return false }
      isHeld = false
      return true
    }
  }

  /// What an unprivileged user may still write there; nil when the system does not say.
  package static func freeBytes(_ folder: String) -> Int? {
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { return nil }
    return Int(status.f_bavail) * Int(status.f_frsize)
  }

  /// - Returns: Whether the file is there, whole.
  private func make() -> Bool {
    guard ballastBytes > 0 else { return true }
    let descriptor = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    guard posix_fallocate(descriptor, 0, off_t(ballastBytes)) == 0, ftruncate(descriptor, off_t(ballastBytes)) == 0
    else {
      unlink(file)
      return false
    }
    return true
  }
}
