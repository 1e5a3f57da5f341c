/// The places where a host may die, right before and right after each durable write. Tests kill it there.
///
/// The list is closed and checked against every durable write: a write without its pair of points fails Tidy.
package enum CrashPoint: String, CaseIterable, Sendable {
  case journalBeforeCommit = "journal.before_commit"
  case journalAfterCommit = "journal.after_commit"
  case stateBeforeCommit = "state.before_commit"
  case stateAfterCommit = "state.after_commit"
  case keystoreBeforeCommit = "keystore.before_commit"
  case keystoreAfterCommit = "keystore.after_commit"
  case ledgerBeforeTiles = "ledger.before_tiles"
  case ledgerBeforeHighWater = "ledger.before_high_water"
  case ledgerBeforeCheckpoint = "ledger.before_checkpoint"
  case ledgerAfterCheckpoint = "ledger.after_checkpoint"
  /// An upstream has given another refresh token: before and after it is durable, and before what came with it is used.
  case tokenBeforeKept = "token.before_kept"
  case tokenAfterKept = "token.after_kept"
  case effectBeforeSend = "effect.before_send"
  case effectAfterSend = "effect.after_send"
  /// A connector tells its upstream to forget what is durable here: before it leaves, and once there is an answer.
  case ackBeforeSend = "ack.before_send"
  case ackAfterSend = "ack.after_send"
  /// A new segment learns what the ones before knew: leases, packs, what was let go.
  case rollBeforeCommit = "roll.before_commit"
  case rollAfterCommit = "roll.after_commit"
  /// Entries of a closed segment move into a pack: the object, what the journal knows of it, then the segment goes.
  case packBeforeObject = "pack.before_object"
  case packAfterObject = "pack.after_object"
  case packBeforeCatalogue = "pack.before_catalogue"
  case packAfterCatalogue = "pack.after_catalogue"
  case packBeforeUnlink = "pack.before_unlink"
  case packAfterUnlink = "pack.after_unlink"
  /// Old packs go: the state's snapshot, the order in the journal, what the journal knows, then the objects.
  case trimBeforeSnapshot = "trim.before_snapshot"
  case trimAfterSnapshot = "trim.after_snapshot"
  case trimAfterOrder = "trim.after_order"
  case trimBeforeCatalogue = "trim.before_catalogue"
  case trimAfterCatalogue = "trim.after_catalogue"
  case trimBeforeUnlink = "trim.before_unlink"
  case trimAfterUnlink = "trim.after_unlink"
  case backupBeforeParts = "backup.before_parts"
  case backupBeforeName = "backup.before_name"
  /// Where there are no hard links: the name is taken, and the backup does not stand there yet.
  case backupAfterClaim = "backup.after_claim"
  case backupAfterName = "backup.after_name"
  case restoreBeforeParts = "restore.before_parts"
  case restoreBeforeEpoch = "restore.before_epoch"
  case restoreBeforeOpening = "restore.before_opening"
  case restoreBeforeDone = "restore.before_done"
  case restoreAfterDone = "restore.after_done"
  /// `sluice plugin install`: everything is there, and gets its name.
  case pluginBeforeName = "plugin.before_name"
  case pluginAfterName = "plugin.after_name"
  /// `sluice connector upgrade`: the new version has read its places, and takes over.
  case upgradeBeforeCommit = "upgrade.before_commit"
  case upgradeAfterCommit = "upgrade.after_commit"
  /// `sluice up` on an older folder: its backup is made, and the folder gets its new format.
  case migrationBeforeFormat = "migration.before_format"
  case migrationAfterFormat = "migration.after_format"

  /// `sluice tenant erase`: between what it does, in the order in which it does it. From the second point on the next
  /// start goes on with it.
  case erasureBeforeList = "erasure.before_list"
  case erasureBeforeSecondList = "erasure.before_second_list"
  case erasureBeforeStop = "erasure.before_stop"
  case erasureBeforeLeaf = "erasure.before_leaf"
  case erasureBeforeKeys = "erasure.before_keys"
  case erasureBeforeJournal = "erasure.before_journal"
  case erasureBeforeFiles = "erasure.before_files"
  case erasureBeforeDone = "erasure.before_done"
  case erasureAfterDone = "erasure.after_done"

  /// Whether every host comes by in its first days. The others are met by an operator's command, once a segment is full, or
  /// by a connector whose upstream forgets.
  package var isDaily: Bool {
    let others = [
      "ack.", "roll.", "pack.", "trim.", "backup.", "restore.", "plugin.", "upgrade.", "migration.", "erasure.",
    ]
    return !others.contains { rawValue.hasPrefix($0) }
  }
}

/// Called at each crash point. The product's does nothing; a test's counts the visits and may end the process.
package protocol CrashInjector: Sendable {
  func reach(_ point: CrashPoint)
}

package struct NoCrash: CrashInjector {
  package init() {}
  package func reach(_ point: CrashPoint) {}
}
