import Foundation
import Testing
import UVLoop

@Suite struct `The host's process` {
  @Test func `may open as many files as its hard limit lets it`() {
    let most = HostProcess.raiseFilesMax()
    var limit = rlimit()
    #expect(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
    #expect(Int(clamping: limit.rlim_cur) == most)
    #expect(limit.rlim_cur >= min(limit.rlim_max, 1 << 20))
  }
}
