internal import CUv
import Foundation

/// What the host's own process gives away of itself, and what it gives back.
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

  /// Gives blocks of half a MiB and more back to the kernel as soon as they are freed.
  ///
  /// mallopt(3), `M_MMAP_THRESHOLD`. glibc by itself raises that bound to 32 MiB once blocks of that size were freed; batches of
  /// many sources then leave its arenas in pieces, and a flood of 30 seconds keeps 1.5 times the memory.
  /// - Returns: Whether the allocator agreed.
  @discardableResult
  package static func giveMemoryBack() -> Bool { sluice_map_blocks_from(512 << 10) == 1 }
}
