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

  /// Raises how many files this process may have open to what it may ask for.
  ///
  /// Shells give 1024, and each connection, worker and database takes some. Children inherit it; a worker sets its own
  /// limit, for good, before it loads a plugin.
  /// - Returns: How many it may have open now.
  @discardableResult
  package static func raiseFilesMax() -> Int {
    let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    guard getrlimit(files, &limit) == 0 else { return 1024 }
    // Where there is no bound at all, one is kept: some libraries make tables of that size.
    let wanted = min(limit.rlim_max, 1 << 20)
    if wanted > limit.rlim_cur {
      var raised = rlimit(rlim_cur: wanted, rlim_max: limit.rlim_max)
      if setrlimit(files, &raised) == 0 { limit = raised }
    }
    return Int(clamping: limit.rlim_cur)
  }
}
