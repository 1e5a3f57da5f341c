import Domain
import FileStorage
import Foundation
import Synchronization
import Testing

@Suite struct `A disk's reserve` {
  let folder = NSTemporaryDirectory() + "sluice-disk-\(UUID().uuidString)"
  init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

  private var ballastBytes: Int? {
    (try? FileManager.default.attributesOfItem(atPath: folder + "/ballast")[.size]) as? Int
  }

  @Test func `holds room back, gives it up once, and takes it again when there is enough`() {
    let reserve = DiskBallast(folder: folder, lowWaterBytes: 1, ballastBytes: 100_000)
    #expect(ballastBytes == 100_000)
    #expect(reserve.release() && ballastBytes == nil)
    #expect(!reserve.release())
    #expect(reserve.shortage() == nil && ballastBytes == 100_000)
  }

  @Test func `tells how much is missing, and asks for the ballast too while that is given up`() throws {
    let reserve = DiskBallast(folder: folder, lowWaterBytes: 1 << 60, ballastBytes: 1000)
    let shortage = try #require(reserve.shortage())
    #expect(shortage.neededBytes == 1 << 60 && shortage.freeBytes < 1 << 60 && shortage.path == folder)
    #expect(reserve.release())
    #expect(reserve.shortage()?.neededBytes == 1 << 60 + 1000)
  }

  @Test func `is not made anew where that would leave no room to begin with, and says when it goes and comes`() throws {
    let told = Mutex<[Bool]>([])
    let free = try #require(DiskBallast.freeBytes(folder))
    let reserve = DiskBallast(folder: folder, lowWaterBytes: 0, ballastBytes: free - (4 << 20)) { isHeld in
      told.withLock { $0.append(isHeld) }
    }
    #expect(ballastBytes == nil && !reserve.release())
    let small = DiskBallast(folder: folder, lowWaterBytes: 1, ballastBytes: 1_000) { isHeld in
      told.withLock { $0.append(isHeld) }
    }
    #expect(small.release() && small.shortage() == nil && ballastBytes == 1_000)
    #expect(told.withLock { $0 } == [false, true])
    // One that is there is kept as it is by the next host.
    _ = DiskBallast(folder: folder, lowWaterBytes: 1 << 60, ballastBytes: 1_000)
    #expect(ballastBytes == 1_000)
  }

  @Test func `without a ballast has nothing to give up`() {
    let reserve = DiskBallast(folder: folder, lowWaterBytes: 0, ballastBytes: 0)
    #expect(!reserve.release() && reserve.shortage() == nil && ballastBytes == nil)
  }
}
