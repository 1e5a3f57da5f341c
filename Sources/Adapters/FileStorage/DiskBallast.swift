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
  private let changed: @Sendable (_ isHeld: Bool) -> Void
  /// A host needs some room to begin at all: databases make their logs longer when they are opened.
  private static let beginningBytes = 8 << 20

  /// Makes the file where there is room for it beside a beginning; where there is none for that, gives up the one there is.
  /// - Parameters:
  ///   - lowWaterBytes: Below this much free space nothing new is taken in.
  ///   - ballastBytes: What the file holds back; 0 for none.
  ///   - changed: Called when the ballast was given up, and when it was taken back.
  package init(
    folder: String, lowWaterBytes: Int, ballastBytes: Int,
    changed: @escaping @Sendable (_ isHeld: Bool) -> Void = { _ in }
  ) {
    self.folder = folder
    self.lowWaterBytes = lowWaterBytes
    self.ballastBytes = ballastBytes
    self.changed = changed
    file = folder + "/ballast"
    isHeld = Mutex(false)
    let free = Self.freeBytes(folder) ?? .max
    isHeld.withLock { isHeld in
      isHeld = isThere || (free >= ballastBytes + Self.beginningBytes && make())
    }
    if free < Self.beginningBytes { _ = release() }
  }

  private var isThere: Bool {
    var status = stat()
    return ballastBytes > 0 && stat(file, &status) == 0 && status.st_size == off_t(ballastBytes)
  }

  /// Also takes the ballast back once there is room for it and for intake.
  package func shortage() -> DiskShortage? {
    guard let free = Self.freeBytes(folder) else { return nil }
    return isHeld.withLock { isHeld in
      let needed = lowWaterBytes + (isHeld ? 0 : ballastBytes)
      guard free >= needed else { return DiskShortage(path: folder, freeBytes: free, neededBytes: needed) }
      if !isHeld {
        isHeld = make()
        if isHeld, ballastBytes > 0 { changed(true) }
      }
      return nil
    }
  }

  package func release() -> Bool {
    isHeld.withLock { isHeld in
      guard isHeld, ballastBytes > 0, unlink(file) == 0 else { return false }
      isHeld = false
      changed(false)
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
