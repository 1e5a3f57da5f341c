internal import CUv
import Foundation

/// What the host's own process gives away of itself.
package enum HostProcess {
  /// No core is written, and no other process of the same user may read this one's memory or trace it: it holds keys.
  ///
  /// prctl(2), `PR_SET_DUMPABLE`. A program that is started afterwards begins anew.
  /// - Returns: Whether the kernel agreed.
  @discardableResult
  package static func hideMemory() -> Bool {
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    return sluice_set_undumpable() == 0 && setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none) == 0
  }
}
